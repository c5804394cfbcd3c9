// One process at a time in a spool directory: flock on its lock file, the holder's pid inside.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::spool {

class LockFile {
 public:
  // Waits up to `wait` for the holder to leave; `on_wait` is told once, with a sentence that names it.
  // Errors: unavailable (still held), io.
  static Result<std::unique_ptr<LockFile>> take(const std::string& path, std::chrono::milliseconds wait,
                                                const std::function<void(std::string_view)>& on_wait);
  // Who has it now ("process 42"), from outside; nothing if nobody has, or if it cannot be told.
  static std::optional<std::string> holder(const std::string& path);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace spanferry::spool
