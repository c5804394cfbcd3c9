// Writes JSON text straight into a string: the one writer for status, MLflow bodies and span files.
// Strings must be UTF-8 (what ingest lets in is). Commas are the writer's business, nesting the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spanferry {

class JsonWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view key);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool b);
  JsonWriter& value(std::int64_t n);
  JsonWriter& value(std::uint64_t n);
  JsonWriter& value(int n) { return value(static_cast<std::int64_t>(n)); }
  JsonWriter& value(unsigned n) { return value(static_cast<std::uint64_t>(n)); }
  // Shortest text that reads back the same, always with a point or an exponent; NaN and infinities become
  // null.
  JsonWriter& value(double d);
  JsonWriter& null();
  // `json` must be one JSON value.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

 private:
  void separate();

  std::string& out_;
  bool need_comma_ = false;
};

// Appends `text` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view text);
// Appends the shortest text of `d` that reads back the same ("1.0", "0.1", "1e+300").
void append_json_double(std::string& out, double d);

}  // namespace spanferry
