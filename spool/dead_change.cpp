// What an operator does to dead letters: one by its id, or all of a destination by its name, in steps.
#include <future>

#include <spdlog/fmt/fmt.h>

#include "spool/dead_reader.hpp"
#include "spool/keys.hpp"
#include "spool/spool_impl.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kLettersAStep = 256;
constexpr std::chrono::seconds kWrittenWithin{10};

std::string_view destination_of(std::string_view which) {
  const auto dead_key = dead_key_of_id(which);
  return dead_key ? which.substr(0, dead_key->find('\0')) : which;
}

Result<> wait_until_written(Cursor& cursor) {
  auto written = std::make_shared<std::promise<void>>();
  auto done = written->get_future();
  cursor.when_written([written] { written->set_value(); });
  if (done.wait_for(kWrittenWithin) == std::future_status::ready) return {};
  return fail(ErrorKind::unavailable, "the spool cannot be written now; it goes on trying");
}

}  // namespace

Result<std::vector<CursorImpl::DeadKey>> SpoolImpl::next_dead(std::string_view which,
                                                              std::string_view after) {
  const auto store = store_.access();
  if (!store) return store_is_closed();
  const std::string prefix = dead_range(which).value_or("");
  std::vector<CursorImpl::DeadKey> keys;
  if (prefix.empty()) return keys;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::dead)));
  it->Seek(after.empty() ? slice(prefix) : slice(after));
  if (it->Valid() && !after.empty() && view(it->key()) == after) it->Next();
  for (; it->Valid() && keys.size() < kLettersAStep; it->Next()) {
    if (!view(it->key()).starts_with(prefix)) break;
    const auto letter = decode_dead_letter(view(it->value()));
    keys.push_back({it->key().ToString(), it->key().size() + it->value().size(), letter ? letter->spans : 0});
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the dead letters"));
  return keys;
}

Result<std::uint64_t> SpoolImpl::drop_dead_letters(std::string_view which) {
  auto* cursor = cursors_.find(std::string(destination_of(which)));
  std::uint64_t dropped = 0;
  std::string after;
  while (cursor != nullptr) {
    auto keys = next_dead(which, after);
    if (!keys) return std::unexpected(keys.error());
    if (keys->empty()) break;
    after = keys->back().key;
    dropped += cursor->drop_dead(*std::move(keys));
    if (auto written = wait_until_written(*cursor); !written) return std::unexpected(written.error());
  }
  if (dropped == 0) return fail(ErrorKind::not_found, fmt::format("there is no dead letter of {}", which));
  return dropped;
}

}  // namespace spanferry::spool
