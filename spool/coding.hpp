// The small binary forms of state values: varints, little-endian words, length-prefixed strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spanferry::spool {

void put_varint(std::string& out, std::uint64_t value);
void put_string(std::string& out, std::string_view text);
void put_u32_le(std::string& out, std::uint32_t value);
void put_u64_be(std::string& out, std::uint64_t value);  // big-endian: bytes sort as numbers do
std::uint32_t get_u32_le(const char* at);
std::uint64_t get_u64_be(const char* at);

// Takes fields off the front of `rest`. After the first failure every take yields zero or empty and ok()
// stays false, so a decoder checks once at its end.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t varint();
  std::string_view string();
  std::string_view raw(std::size_t n);
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace spanferry::spool
