#include "spool/budget.hpp"

#include <spdlog/spdlog.h>

#include "spool/limits.hpp"

namespace spanferry::spool {

std::string bytes_text(std::uint64_t bytes) {
  if (bytes % (1ULL << 30) == 0) return fmt::format("{} GiB", bytes >> 30);
  if (bytes >= (1ULL << 20)) return fmt::format("{} MiB", bytes >> 20);
  return fmt::format("{} bytes", bytes);
}

Budget::Budget(const Settings& settings, Layout layout)
    : max_bytes_(settings.max_bytes), min_free_bytes_(settings.min_free_bytes), layout_(std::move(layout)) {}

void Budget::measure() {
  wrote_ = 0;  // first: what is written while we look counts twice rather than not at all
  measured_ = disk_usage(layout_.root);
  free_ = free_bytes(layout_.root);
  if (no_space_ && free_ >= kNoSpaceResumeBytes) no_space_ = false;
  judge(true);
}

void Budget::wrote(std::uint64_t bytes) {
  wrote_ += bytes;
  judge(false);
}

bool Budget::room_for(std::uint64_t bytes) {
  if (free_bytes(layout_.root) >= bytes + kDiskGuardBytes) return true;
  no_space_ = true;
  judge(false);
  return false;
}

void Budget::judge(bool may_resume) {
  const Full was = full_;
  const std::uint64_t slack = was == Full::no ? 0 : kResumeBytes;
  const std::uint64_t used = bytes();
  const std::uint64_t free = free_;
  Full now = Full::no;
  if (used + slack > max_bytes_) {
    now = Full::max_bytes;
  } else if (no_space_) {
    now = Full::min_free_bytes;
  } else if (min_free_bytes_ > 0 && free < min_free_bytes_ + slack + wrote_.load()) {
    now = Full::min_free_bytes;
  }
  if (now == was || (now == Full::no && !may_resume)) return;
  const std::scoped_lock lock(mutex_);
  if (full_.exchange(now) == now) return;
  if (now == Full::no) {
    spdlog::info("spool: there is room again ({} of {}): accepting", bytes_text(used),
                 bytes_text(max_bytes_));
  } else {
    spdlog::warn("{}: refusing until delivery makes room", sentence(now));
  }
}

std::string Budget::sentence(Full full) const {
  if (full == Full::max_bytes)
    return fmt::format("spool is full: max_bytes {} reached", bytes_text(max_bytes_));
  if (no_space_) return "spool is full: the filesystem has no space left";
  return fmt::format("spool is full: the filesystem has less than min_free_bytes {} left",
                     bytes_text(min_free_bytes_));
}

std::optional<Error> Budget::refusal() const {
  if (io_failed_) return Error{ErrorKind::unavailable, "the spool cannot be written and is being reopened"};
  const Full why = full();
  if (why == Full::no) return std::nullopt;
  return Error{ErrorKind::full, sentence(why)};
}

std::string Budget::reason() const {
  if (io_failed_.load()) return "io_error";
  switch (full()) {
    case Full::no:
      return {};
    case Full::max_bytes:
      return "max_bytes";
    case Full::min_free_bytes:
      return "min_free_bytes";
  }
  return {};
}

}  // namespace spanferry::spool
