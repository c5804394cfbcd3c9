// Opening a spool: the directory, its lock, recovery.
#include <new>

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "spool/spool_impl.hpp"

namespace spanferry::spool {

Result<std::unique_ptr<Spool>> Spool::open(const Settings& settings,
                                           const std::function<void(std::string_view)>& on_wait) {
  return open_spool(settings, on_wait, {});
}

Result<std::unique_ptr<Spool>> open_spool(const Settings& settings,
                                          const std::function<void(std::string_view)>& on_wait,
                                          const Internals& internals) try {
  if (settings.max_bytes < kMinMaxBytes) {
    return fail(ErrorKind::configuration,
                fmt::format("spool.max_bytes is {}; at least {} are needed", bytes_text(settings.max_bytes),
                            bytes_text(kMinMaxBytes)));
  }
  ::umask(0077);  // RocksDB's files too, which its threads create later
  const Layout layout{settings.directory};
  if (auto prepared = prepare_directory(layout.root); !prepared) return std::unexpected(prepared.error());
  auto lock = LockFile::take(layout.lock(), settings.lock_wait, on_wait);
  if (!lock) return std::unexpected(lock.error());
  StoreOpening opening{.layout = layout,
                       .positions = std::make_shared<TrimPositions>(),
                       .events = std::make_shared<StoreEvents>(),
                       .env = internals.env,
                       .memory = settings.memory};
  auto recovered = recover_store(opening);
  if (!recovered) return std::unexpected(recovered.error().in("spool"));
  return std::make_unique<SpoolImpl>(settings, internals, std::move(*lock), std::move(opening),
                                     std::move(*recovered));
} catch (const std::exception& problem) {  // out of memory, no more threads
  return fail(ErrorKind::unavailable, fmt::format("the spool cannot start: {}", problem.what()));
}

}  // namespace spanferry::spool
