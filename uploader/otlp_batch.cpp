#include "uploader/otlp_batch.hpp"

#include <charconv>

#include <libdeflate.h>
#include <protozero/pbf_reader.hpp>
#include <simdjson.h>

namespace spanferry::uploader {
namespace {

constexpr int kLevel = 1;
constexpr std::size_t kWorthCompressing = 512;
constexpr std::size_t kMaxMessageBytes = 1024;

PartialSuccess parse_json(std::string_view body) {
  PartialSuccess out;
  simdjson::dom::parser parser;
  simdjson::dom::element partial;
  if (parser.parse(simdjson::padded_string(body)).at_key("partialSuccess").get(partial) != simdjson::SUCCESS)
    return out;
  std::int64_t number = 0;
  std::string_view text;
  if (partial["rejectedSpans"].get(number) == simdjson::SUCCESS) {
    out.rejected_spans = number > 0 ? static_cast<std::uint64_t>(number) : 0;
  } else if (partial["rejectedSpans"].get(text) == simdjson::SUCCESS) {
    std::from_chars(text.data(), text.data() + text.size(), out.rejected_spans);
  }
  if (partial["errorMessage"].get(text) == simdjson::SUCCESS) out.message = text.substr(0, kMaxMessageBytes);
  return out;
}

PartialSuccess parse_protobuf(std::string_view body) {
  PartialSuccess out;
  try {
    protozero::pbf_reader response(body.data(), body.size());
    while (response.next(1)) {
      protozero::pbf_reader partial = response.get_message();
      while (partial.next()) {
        if (partial.tag() == 1 && partial.wire_type() == protozero::pbf_wire_type::varint) {
          const std::int64_t rejected = partial.get_int64();
          out.rejected_spans = rejected > 0 ? static_cast<std::uint64_t>(rejected) : 0;
        } else if (partial.tag() == 2 && partial.wire_type() == protozero::pbf_wire_type::length_delimited) {
          const auto text = partial.get_view();
          out.message.assign(text.data(), std::min(text.size(), kMaxMessageBytes));
        } else {
          partial.skip();
        }
      }
    }
  } catch (const protozero::exception&) {
    return {};  // a 2xx whose body is something else is a success all the same
  }
  return out;
}

}  // namespace

struct BodyEncoder::Compressor {
  libdeflate_compressor* handle = libdeflate_alloc_compressor(kLevel);
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() {
    if (handle != nullptr) libdeflate_free_compressor(handle);
  }
};

BodyEncoder::BodyEncoder(bool gzip) : compressor_(gzip ? std::make_unique<Compressor>() : nullptr) {}
BodyEncoder::~BodyEncoder() = default;

Body BodyEncoder::encode(std::span<const Item> items) {
  std::vector<std::shared_ptr<const std::string>> pieces;
  pieces.reserve(items.size());
  for (const Item& item : items) pieces.push_back(item.payload);
  return compressed(std::move(pieces));
}

Body BodyEncoder::encode(std::string payload) {
  return compressed({std::make_shared<const std::string>(std::move(payload))});
}

Body BodyEncoder::compressed(std::vector<std::shared_ptr<const std::string>> pieces) {
  std::size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece->size();
  if (!compressor_ || compressor_->handle == nullptr || bytes < kWorthCompressing)
    return {std::move(pieces), false};
  // One gzip member: some servers read only the first of several. Joining costs little beside compressing.
  joined_.clear();
  joined_.reserve(bytes);
  for (const auto& piece : pieces) joined_ += *piece;
  auto out = std::make_shared<std::string>();
  out->resize(bytes);
  const std::size_t n =
      libdeflate_gzip_compress(compressor_->handle, joined_.data(), joined_.size(), out->data(), out->size());
  if (n == 0) return {std::move(pieces), false};  // it would have grown
  out->resize(n);
  out->shrink_to_fit();
  Body body;
  body.pieces.push_back(std::move(out));
  body.gzipped = true;
  return body;
}

PartialSuccess parse_partial_success(std::string_view body, bool is_json) {
  if (body.empty()) return {};
  return is_json ? parse_json(body) : parse_protobuf(body);
}

}  // namespace spanferry::uploader
