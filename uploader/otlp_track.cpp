#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <spdlog/spdlog.h>

#include "uploader/otlp_delivery.hpp"
#include "uploader/otlp_reader.hpp"
#include "uploader/parked_reader.hpp"
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
        reader_(context.spool, cursor, context.settings.max_batch_bytes, context.experiments != nullptr,
                context.deleted),
        delivery_(context, cursor),
        slots_(context.io, std::max<std::uint32_t>(1, context.settings.concurrency)),
        landed_(context.io),
        arrived_(context.io),
        parked_(cursor, context.routes, context.settings.max_batch_bytes),
        parked_slots_(context.io, std::max<std::uint32_t>(1, context.settings.concurrency / 4)),
        parked_changed_(context.io),
        sleeps_(context.io) {
    if (context.routes != nullptr) context.routes->listen([this] { look_at_parked(); });
  }

  void start() override {
    asio::co_spawn(context_.io, run(), rethrow);
    asio::co_spawn(context_.io, run_parked(), rethrow);
  }
  void records_arrived() override {
    arrived_.notify();
    if (cursor_.parked().revived != revived_) look_at_parked();
  }
  void drain() override {
    draining_ = true;
    arrived_.notify();
  }
  void stop() override {
    landed_.stop();
    arrived_.stop();
    parked_changed_.stop();
    sleeps_.stop();
    slots_.stop();
    parked_slots_.stop();
    delivery_.stop();
  }
  spool::Cursor& cursor() override { return cursor_; }
  [[nodiscard]] bool settled(Seq seq, const TraceId& trace) const override {
    return cursor_.settled(seq, trace) && !is_parked(cursor_, seq, trace);
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

  // What is parked: at the start, when a route is released or to be probed, and when dead letters came back.
  void look_at_parked() {
    look_ = true;
    parked_changed_.notify();
  }

  asio::awaitable<void> run_parked() {
    std::uint64_t releases = 0;
    for (bool first = true; !parked_changed_.stopped(); first = false) {
      look_ = false;
      const std::uint64_t revived = cursor_.parked().revived;
      const std::uint64_t released = context_.routes == nullptr ? 0 : context_.routes->releases();
      parked_.begin(!first && revived == revived_ && released == releases);
      revived_ = revived;
      releases = released;
      if (!co_await deliver_parked()) co_return;
      // The next pass must not meet again what this one has under way.
      while (parked_under_way_ > 0)
        if (!co_await parked_changed_.wait()) co_return;
      while (!look_)
        if (!co_await parked_changed_.wait()) co_return;
    }
  }

  // One pass. False: stopped.
  asio::awaitable<bool> deliver_parked() {
    while (cursor_.parked().records > 0) {
      Slot slot = co_await parked_slots_.acquire();
      if (!slot || !co_await context_.sender.open()) co_return false;
      auto batch = parked_.next();
      if (!batch) {
        spdlog::error("destination {}: what is parked cannot be read: {}", context_.settings.name,
                      batch.error().sentence);
        slot = Slot{};
        if (!co_await sleeps_.sleep(kAfterReadError)) co_return false;
        continue;
      }
      if (!*batch) co_return true;
      ++parked_under_way_;
      asio::co_spawn(context_.io, deliver_again(**std::move(batch), std::move(slot)), rethrow);
    }
    co_return !parked_changed_.stopped();
  }

  asio::awaitable<void> deliver_again(OtlpBatch batch, Slot slot) {
    co_await deliver(std::move(batch), std::move(slot));
    --parked_under_way_;
    parked_changed_.notify();
  }

  const TrackContext context_;
  spool::Cursor& cursor_;
  OtlpReader reader_;
  OtlpDelivery delivery_;
  Slots slots_;
  std::size_t bytes_under_way_ = 0;  // of payloads
  Event landed_;
  Event arrived_;
  ParkedReader parked_;
  Slots parked_slots_;  // its own: the newest records hold one of the others even while they wait to come
  Event parked_changed_;
  bool look_ = false;                 // there is a reason for another pass
  std::size_t parked_under_way_ = 0;  // batches
  std::uint64_t revived_ = 0;         // dead letters taken back that a pass has seen
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
