#include "uploader/otlp_batch.hpp"

#include <charconv>

#include <protozero/pbf_reader.hpp>
#include <simdjson.h>

#include <isa-l/igzip_lib.h>

namespace spanferry::uploader {
namespace {

constexpr std::uint32_t kLevel = 1;
constexpr std::size_t kWorthCompressing = 512;
constexpr std::size_t kMaxCompressed = 1U << 30;  // the library counts in 32 bits
constexpr std::size_t kMaxMessageBytes = 1024;
constexpr std::size_t kKeptBufferBytes = 4U << 20;

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
  isal_zstream stream;
  std::vector<std::uint8_t> level_buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);
  std::string out;  // kept from batch to batch while it is of an ordinary size
  std::size_t used = 0;

  // For a request of `bytes` bytes.
  void begin(std::size_t bytes) {
    if (out.size() < bytes / 2) out.resize(bytes / 2);
    used = 0;
    isal_deflate_init(&stream);
    stream.level = kLevel;
    stream.level_buf = level_buffer.data();
    stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
    stream.gzip_flag = IGZIP_GZIP;
  }
  // Compresses `in` behind the first `used` bytes of `out`. False: it would take more than `limit` bytes.
  bool add(std::string_view in, bool is_last, std::size_t limit) {
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(in.data()));  // it only reads
    stream.avail_in = static_cast<std::uint32_t>(in.size());
    stream.end_of_stream = is_last ? 1 : 0;
    do {
      if (used >= limit) return false;
      if (used == out.size()) out.resize(std::min(limit, out.size() * 2));
      const auto room = static_cast<std::uint32_t>(std::min(limit, out.size()) - used);
      stream.next_out = reinterpret_cast<std::uint8_t*>(out.data() + used);
      stream.avail_out = room;
      if (isal_deflate(&stream) != COMP_OK) return false;
      used += room - stream.avail_out;
    } while (stream.avail_in > 0 || (is_last && stream.internal_state.state != ZSTATE_END));
    return true;
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
  if (!compressor_ || bytes < kWorthCompressing || bytes > kMaxCompressed) return {std::move(pieces), false};
  // One gzip member: some servers read only the first of several.
  compressor_->begin(bytes);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!compressor_->add(*pieces[i], i + 1 == pieces.size(), bytes)) return {std::move(pieces), false};
  }
  Body body;
  body.pieces.push_back(std::make_shared<const std::string>(compressor_->out, 0, compressor_->used));
  body.gzipped = true;
  if (compressor_->out.size() > kKeptBufferBytes) compressor_->out = {};
  return body;
}

PartialSuccess parse_partial_success(std::string_view body, bool is_json) {
  if (body.empty()) return {};
  return is_json ? parse_json(body) : parse_protobuf(body);
}

}  // namespace spanferry::uploader
