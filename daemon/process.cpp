#include "daemon/process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace spanferry::daemon {
namespace {

constexpr std::uint64_t kFilesForOthers = 256;  // tables, WAL, the destinations' connections

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  // Whoever starts us with SIGHUP ignored (nohup) means it.
  struct sigaction hangup{};
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void harden_process() {
  ::umask(0077);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  std::signal(SIGPIPE, SIG_IGN);
}

void share_memory_pools() {
#if defined(__GLIBC__)
  constexpr int kPools = 2;
  ::mallopt(M_ARENA_MAX, kPools);
#endif
}

void return_freed_memory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

std::uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

std::uint32_t connections_within(std::uint32_t wanted, std::uint64_t open_files) {
  const std::uint64_t left = open_files > 2 * kFilesForOthers ? open_files - kFilesForOthers : open_files / 2;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, std::max<std::uint64_t>(left, 1)));
}

void block_stop_signals() {
  // A shell starts what runs in its background with SIGINT ignored; told to stop by one, we stop.
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
  const auto set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::optional<int> next_signal(std::chrono::milliseconds wait) {
  const auto set = stop_signals();
  const timespec time{wait.count() / 1000, (wait.count() % 1000) * 1'000'000};
  const int signal = ::sigtimedwait(&set, nullptr, &time);
  if (signal <= 0) return std::nullopt;
  return signal;
}

void notify_ready(const std::string& status) {
  ::sd_notify(0, fmt::format("READY=1\nSTATUS={}", status).c_str());
}
void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  ::sd_notify(
      0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000).c_str());
}
void notify_stopping() { ::sd_notify(0, "STOPPING=1"); }
void notify_watchdog() { ::sd_notify(0, "WATCHDOG=1"); }

std::optional<std::chrono::milliseconds> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(microseconds / 1000));
}

std::string make_temporary_directory() {
  const char* base = std::getenv("TMPDIR");
  auto path = fmt::format("{}/spanferry-demo-XXXXXX", base != nullptr && *base == '/' ? base : "/tmp");
  return ::mkdtemp(path.data()) == nullptr ? std::string{} : path;
}

}  // namespace spanferry::daemon
