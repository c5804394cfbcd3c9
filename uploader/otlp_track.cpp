#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <spdlog/spdlog.h>

#include "uploader/otlp_delivery.hpp"
#include "uploader/otlp_reader.hpp"
#include "uploader/slots.hpp"
#include "uploader/track.hpp"
#include "uploader/waits.hpp"
#include "uploader/written.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// While other batches are on their way, a little patience makes the next one larger; an idle track has none.
constexpr std::chrono::milliseconds kGather{5};
constexpr std::chrono::milliseconds kAfterReadError{1000};

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

class OtlpTrack final : public Track {
 public:
  OtlpTrack(const TrackContext& context, spool::Cursor& cursor)
      : context_(context),
        cursor_(cursor),
        reader_(context.spool, cursor, context.settings.max_batch_bytes, context.experiments != nullptr),
        delivery_(context, cursor),
        slots_(context.io, std::max<std::uint32_t>(1, context.settings.concurrency)),
        landed_(context.io),
        arrived_(context.io),
        sleeps_(context.io) {}

  void start() override { asio::co_spawn(context_.io, run(), rethrow); }
  void records_arrived() override { arrived_.notify(); }
  void drain() override {
    draining_ = true;
    arrived_.notify();
  }
  void stop() override {
    landed_.stop();
    arrived_.stop();
    sleeps_.stop();
    slots_.stop();
    delivery_.stop();
  }
  spool::Cursor& cursor() override { return cursor_; }
  [[nodiscard]] bool settled(Seq seq, const TraceId& trace) const override {
    return cursor_.settled(seq, trace);
  }

 private:
  asio::awaitable<void> run() {
    for (;;) {
      Slot slot = co_await slots_.acquire();
      if (!slot || !co_await context_.sender.open()) co_return;
      while (!has_room())
        if (!co_await landed_.wait()) co_return;
      auto batch = co_await next_batch();
      if (!batch) co_return;
      std::size_t bytes = 0;
      for (const Item& item : batch->items) bytes += item.payload->size();
      bytes_under_way_ += bytes;
      asio::co_spawn(context_.io, deliver_counted(*std::move(batch), std::move(slot), bytes), rethrow);
    }
  }

  asio::awaitable<void> deliver_counted(OtlpBatch batch, Slot slot, std::size_t bytes) {
    co_await deliver(std::move(batch), std::move(slot));
    bytes_under_way_ -= bytes;
    landed_.notify();
  }

  // Whether one more batch may be on its way, of whatever size.
  [[nodiscard]] bool has_room() const {
    return bytes_under_way_ == 0 || bytes_under_way_ + context_.settings.max_batch_bytes <= kMaxBytesUnderWay;
  }

  asio::awaitable<std::optional<OtlpBatch>> next_batch() {
    while (!arrived_.stopped()) {
      auto batch = reader_.next();
      if (!batch) {
        spdlog::error("destination {}: the spool cannot be read: {}", context_.settings.name,
                      batch.error().sentence);
        if (!co_await sleeps_.sleep(kAfterReadError)) break;
        continue;
      }
      if (*batch) co_return *std::move(batch);
      if (!co_await arrived_.wait()) break;
      if (slots_.in_use() > 1 && !draining_ && !co_await sleeps_.sleep(kGather)) break;
    }
    co_return std::nullopt;
  }

  asio::awaitable<void> deliver(OtlpBatch batch, Slot slot) {
    co_await delivery_.deliver(std::move(batch));
    co_await written(context_.io, cursor_);
    slot = Slot{};
  }

  const TrackContext context_;
  spool::Cursor& cursor_;
  OtlpReader reader_;
  OtlpDelivery delivery_;
  Slots slots_;
  std::size_t bytes_under_way_ = 0;  // of payloads
  Event landed_;
  Event arrived_;
  Sleeps sleeps_;
  bool draining_ = false;
};

}  // namespace

std::unique_ptr<Track> make_otlp_track(TrackContext context) {
  // The uploader has asked for this cursor before, so it is there.
  const auto cursor = context.spool.cursor(context.settings.name, context.settings.from == From::oldest
                                                                      ? spool::Spool::From::oldest
                                                                      : spool::Spool::From::now);
  return cursor ? std::make_unique<OtlpTrack>(context, **cursor) : nullptr;
}

}  // namespace spanferry::uploader
