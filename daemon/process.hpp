// What the operating system is told about this process, and what the service manager is told by it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace spanferry::daemon {

// Files are ours alone, no core dump may hold a span or a secret, no other process may look inside, writing
// to a closed socket is an error and no signal.
void harden_process();

// Threads share two pools of memory instead of eight a processor: what one thread frees (payloads are read by
// one and freed by another), the next can use. Before any thread starts.
void share_memory_pools();

// Gives back to the kernel what was freed: by itself the C library keeps what a burst took, and holes between
// what lives on add up to as much again. Whoever allocates meanwhile waits, for some milliseconds at most.
// Any thread.
void return_freed_memory();

// Raises the limit of open files to its hard limit; the limit then in force.
std::uint64_t raise_open_files();

// What `wanted` connections come down to under a limit of open files; the store and the destinations need
// some too.
std::uint32_t connections_within(std::uint32_t wanted, std::uint64_t open_files);

// Blocks the signals that stop us in the calling thread and those it starts: call before any other thread is.
void block_stop_signals();
// The next such signal (SIGTERM, SIGINT or SIGHUP), or nothing after `wait`. Main thread.
std::optional<int> next_signal(std::chrono::milliseconds wait);

// systemd's protocol (sd_notify(3)); nothing happens where there is no service manager.
void notify_ready(const std::string& status);
void notify_reloading();  // until the next notify_ready
void notify_stopping();
void notify_watchdog();
// How often it wants to hear that we live; nothing: it does not ask.
std::optional<std::chrono::milliseconds> watchdog_interval();

// An empty directory of our own below $TMPDIR, else /tmp; empty text if it cannot be made.
std::string make_temporary_directory();

}  // namespace spanferry::daemon
