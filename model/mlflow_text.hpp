// JSON text as MLflow handles it: attribute values are kept as JSON text and looked into only where needed.
// The questions asked of a value are those its server asks in Python, with the same answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanferry::mlflow {

enum class JsonType : std::uint8_t { invalid, null, boolean, number, string, array, object };

// The type of the one value that `text` is; invalid when it is not sound JSON. Reads all of it.
JsonType json_type(std::string_view text);
// Not null, false, 0, "", [] or {}; also true for text that is not JSON (it is a string then).
bool json_is_truthy(std::string_view text);
// The string that `text` holds in quotes; nothing if it is anything else.
std::optional<std::string> json_string(std::string_view text);
// The integer that `text` is, or holds in quotes, there with space around it and a plus if need be.
std::optional<std::int64_t> json_integer(std::string_view text);
// A member of an object, as JSON text; the last one of a name that is there twice.
std::optional<std::string> json_member(std::string_view text, std::string_view key);
// A value as the text of a tag: the string itself, the only element of a list, else the JSON.
std::string json_as_tag(std::string_view text);
// With ", " and ": " between values, as MLflow's own clients write.
std::string spaced_json(std::string_view compact);

// The length in code points.
std::size_t count_characters(std::string_view utf8);
// The first `characters` code points.
std::string_view cut_characters(std::string_view utf8, std::size_t characters);

}  // namespace spanferry::mlflow
