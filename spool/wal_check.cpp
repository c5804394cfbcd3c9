#include "spool/wal_check.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/crc32c.hpp"
#include "spool/coding.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kBlock = 32U << 10;
constexpr std::size_t kHeader = 7;
enum FragmentType : unsigned char { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
constexpr unsigned char kLastKnownType = kLast;
constexpr unsigned char kLastPlausibleType = 11;  // recyclable, compression and timestamp fragments

struct Fragment {
  unsigned char type = kZero;
  std::string_view payload;
  std::size_t next = 0;
};

std::size_t block_end(std::size_t at, std::size_t size) { return std::min(size, (at / kBlock + 1) * kBlock); }

// The fragment at `at` if it is all there and passes its check.
std::optional<Fragment> fragment_at(std::string_view file, std::size_t at) {
  const std::size_t end = block_end(at, file.size());
  if (at + kHeader > end) return std::nullopt;
  const auto* header = file.data() + at;
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(header[4])) |
                      static_cast<std::size_t>(static_cast<unsigned char>(header[5])) << 8;
  const auto type = static_cast<unsigned char>(header[6]);
  if (type == kZero || type > kLastPlausibleType || at + kHeader + length > end) return std::nullopt;
  if (crc32c(file.substr(at + 6, 1 + length)) != crc32c_unmask(get_u32_le(header))) return std::nullopt;
  return Fragment{type, file.substr(at + kHeader, length), at + kHeader + length};
}

// Where the next sound fragment begins after a failing one at `at`; the file's size if there is none.
std::size_t resume_after(std::string_view file, std::size_t at) {
  const std::size_t end = block_end(at, file.size());
  if (at + kHeader <= end) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(file[at + 4])) |
                        static_cast<std::size_t>(static_cast<unsigned char>(file[at + 5])) << 8;
    const std::size_t next = at + kHeader + length;
    if (next <= end && (end - next < kHeader || fragment_at(file, next))) return next;
    for (std::size_t i = at + 1; i + kHeader <= end; ++i) {
      if (fragment_at(file, i)) return i;  // its own length is what was damaged
    }
  }
  return end;
}

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

class Scanner {
 public:
  explicit Scanner(std::string_view file) : file_(file) {}

  WalScan run() {
    std::size_t at = 0;
    while (at < file_.size() && !scan_.foreign) at = step(at);
    if (!record_.empty()) scan_.torn_tail = true;
    if (failing_since_good_) {
      // Nothing good follows the failure. Zeros or a fragment cut by the end of the file are what a kill or a
      // power cut leaves of a write under way.
      const bool torn = all_zero(file_.substr(*failed_at_)) || cut_by_end(*failed_at_);
      (torn ? scan_.torn_tail : scan_.failing_tail) = true;
      if (torn && !failed_inside_) --scan_.damaged;
    }
    return std::move(scan_);
  }

 private:
  std::size_t step(std::size_t at) {
    const std::size_t end = block_end(at, file_.size());
    if (end - at < kHeader) {
      if (end == file_.size() && !all_zero(file_.substr(at))) scan_.torn_tail = true;
      return end;  // a block's trailer
    }
    if (const auto fragment = fragment_at(file_, at)) {
      take(*fragment);
      return fragment->next;
    }
    fail_at(at);
    return resume_after(file_, at);
  }

  void take(const Fragment& fragment) {
    if (fragment.type > kLastKnownType) {
      scan_.foreign = true;
      return;
    }
    failing_since_good_ = false;
    const bool starts = fragment.type == kFull || fragment.type == kFirst;
    if (starts) {
      if (!record_.empty()) ++scan_.damaged;  // its end is missing
      record_.clear();
      skipping_ = false;
    } else if (record_.empty()) {
      if (!skipping_) ++scan_.damaged;  // its beginning is missing
      skipping_ = fragment.type != kLast;
      return;
    }
    record_.push_back(fragment.payload);
    if (fragment.type == kFull || fragment.type == kLast) {
      scan_.good.push_back(std::move(record_));
      record_.clear();
    }
  }

  void fail_at(std::size_t at) {
    if (!failing_since_good_) {
      failed_at_ = at;
      failed_inside_ = skipping_;
      if (!skipping_) ++scan_.damaged;
    }
    failing_since_good_ = true;
    record_.clear();
    skipping_ = true;
  }

  [[nodiscard]] bool cut_by_end(std::size_t at) const {
    if (at + kHeader > file_.size()) return true;
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(file_[at + 4])) |
                        static_cast<std::size_t>(static_cast<unsigned char>(file_[at + 5])) << 8;
    return at + kHeader + length > file_.size() && block_end(at, file_.size()) == file_.size();
  }

  std::string_view file_;
  WalScan scan_;
  WalRecord record_;       // fragments of the record being put together
  bool skipping_ = false;  // until the next record starts
  bool failing_since_good_ = false;
  bool failed_inside_ = false;
  std::optional<std::size_t> failed_at_;
};

// A file's bytes, mapped.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info{};
    if (fd >= 0 && ::fstat(fd, &info) == 0) {
      size_ = static_cast<std::size_t>(info.st_size);
      ok_ = true;
      if (size_ > 0) {
        at_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
        ok_ = at_ != MAP_FAILED;
      }
    }
    if (fd >= 0) ::close(fd);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (ok_ && at_ != nullptr) ::munmap(at_, size_);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::string_view bytes() const {
    return size_ == 0 ? std::string_view{} : std::string_view(static_cast<const char*>(at_), size_);
  }

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
  bool ok_ = false;
};

// Puts the original aside and `content` in its place; a power cut leaves one or the other there.
Result<> replace_keeping(const Layout& layout, const std::string& name, std::string_view content) {
  const std::string path = layout.store() + '/' + name;
  if (auto made = make_directory(layout.quarantine()); !made) return made;
  const std::string kept = fmt::format("{}/{}.{}", layout.quarantine(), name, std::time(nullptr));
  if (::link(path.c_str(), kept.c_str()) != 0 && errno != EEXIST) {
    return fail(ErrorKind::io, fmt::format("cannot keep {} as {}: {}", path, kept, std::strerror(errno)));
  }
  if (auto synced = sync_directory(layout.quarantine()); !synced) return synced;
  return replace_file(path, content);
}

}  // namespace

WalScan scan_wal(std::string_view file) { return Scanner(file).run(); }

std::string write_wal(const std::vector<WalRecord>& records) {
  std::string out;
  std::string whole;
  for (const auto& record : records) {
    whole.clear();
    for (const auto part : record) whole.append(part);
    std::string_view rest = whole;
    bool first = true;
    do {
      std::size_t room = kBlock - out.size() % kBlock;
      if (room < kHeader) {
        out.append(room, '\0');
        room = kBlock;
      }
      const auto part = rest.substr(0, room - kHeader);
      rest.remove_prefix(part.size());
      const char type =
          static_cast<char>(first ? (rest.empty() ? kFull : kFirst) : (rest.empty() ? kLast : kMiddle));
      put_u32_le(out, crc32c_mask(crc32c(part, crc32c({&type, 1}))));
      out.push_back(static_cast<char>(part.size() & 0xff));
      out.push_back(static_cast<char>(part.size() >> 8));
      out.push_back(type);
      out.append(part);
      first = false;
    } while (!rest.empty());
  }
  return out;
}

Result<WalReport> repair_wals(const Layout& layout) {
  WalReport report;
  for (const auto& name : list_directory(layout.store())) {
    if (!name.ends_with(".log")) continue;
    const Mapped file(layout.store() + '/' + name);
    if (!file.ok()) return fail(ErrorKind::io, fmt::format("cannot read {}/{}", layout.store(), name));
    const WalScan scan = scan_wal(file.bytes());
    if (scan.foreign || (scan.damaged == 0 && !scan.failing_tail)) continue;
    if (auto replaced = replace_keeping(layout, name, write_wal(scan.good)); !replaced) {
      return std::unexpected(replaced.error());
    }
    report.damaged_records += scan.damaged;
    report.rewritten.push_back(name);
  }
  return report;
}

}  // namespace spanferry::spool
