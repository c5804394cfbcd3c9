// JSON text as Python's json module writes it. MLflow's server takes some values apart and writes them anew;
// what it writes is shown to users as it is (previews are cut from it), so the spelling is part of the
// answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spanferry::mlflow {

enum class Escape : std::uint8_t {
  needed,     // ensure_ascii=False: only what JSON demands
  non_ascii,  // ensure_ascii=True, Python's default: everything beyond ASCII as \uXXXX
};

// `text` anew: ", " and ": " between values, numbers as Python's repr, of a key that is there twice the last
// value at the first place. Text that is not sound JSON becomes a string.
std::string python_json(std::string_view text, Escape escape);

// The value that json.loads makes of a value which may be a string that holds JSON: that JSON, up to `times`
// layers down; `text` itself when it is no such string. `text` is JSON and so is the result.
std::string unwrapped(std::string_view text, int times);

// The same for each element of a list; `text` itself when it is none.
std::string each_unwrapped(std::string_view text, int times);

// Appends one string, quotes included.
void append_python_string(std::string& out, std::string_view text, Escape escape);
// Appends a number as repr(float) does: "0.1", "100000.0", "1e-05", "1e+16". Finite numbers only.
void append_python_double(std::string& out, double number);

}  // namespace spanferry::mlflow
