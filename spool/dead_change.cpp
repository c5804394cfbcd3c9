// What an operator does to dead letters: one by its id, or all of a destination by its name, in steps.
#include <future>
#include <map>

#include <spdlog/fmt/fmt.h>

#include "spool/dead_reader.hpp"
#include "spool/keys.hpp"
#include "spool/spool_impl.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kLettersAStep = 256;
constexpr std::size_t kLetterBytesAStep = 4U << 20;
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

std::unexpected<Error> nothing_of(std::string_view which) {
  return fail(ErrorKind::not_found, fmt::format("there is no dead letter of {}", which));
}

}  // namespace

Result<std::vector<SpoolImpl::KeptLetter>> SpoolImpl::next_dead(std::string_view which,
                                                                std::string_view after) {
  const auto store = store_.access();
  if (!store) return store_is_closed();
  std::vector<KeptLetter> letters;
  const std::string prefix = dead_range(which).value_or("");
  if (prefix.empty()) return letters;
  std::size_t bytes = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::dead)));
  it->Seek(after.empty() ? slice(prefix) : slice(after));
  if (it->Valid() && !after.empty() && view(it->key()) == after) it->Next();
  for (; it->Valid() && letters.size() < kLettersAStep && bytes < kLetterBytesAStep; it->Next()) {
    if (!view(it->key()).starts_with(prefix)) break;
    auto letter = decode_dead_letter(view(it->value()));
    const std::uint64_t size = it->key().size() + it->value().size();
    bytes += size;
    letters.push_back({{it->key().ToString(), size, letter ? letter->spans : 0},
                       letter ? *std::move(letter) : DeadLetter{}});
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the dead letters"));
  return letters;
}

Result<std::uint64_t> SpoolImpl::drop_dead_letters(std::string_view which) {
  const std::string destination(destination_of(which));
  std::uint64_t dropped = 0;
  std::string after;
  while (cursors_.find(destination) != nullptr) {
    auto letters = next_dead(which, after);
    if (!letters) return std::unexpected(letters.error());
    if (letters->empty()) break;
    after = letters->back().key.key;
    std::map<CursorImpl*, std::vector<CursorImpl::DeadKey>> keys;
    for (auto& letter : *letters)
      keys[cursors_.keeper_of(destination, letter.letter.kind)].push_back(std::move(letter.key));
    for (auto& [keeper, of_keeper] : keys) {
      dropped += keeper->drop_dead(std::move(of_keeper));
      if (auto written = wait_until_written(*keeper); !written) return std::unexpected(written.error());
    }
  }
  if (dropped == 0) return nothing_of(which);
  return dropped;
}

Result<std::uint64_t> SpoolImpl::retry_dead_letters(std::string_view which) {
  auto* cursor = cursors_.find(std::string(destination_of(which)));
  std::uint64_t seen = 0, revived = 0;
  std::string after;
  while (cursor != nullptr) {
    auto letters = next_dead(which, after);
    if (!letters) return std::unexpected(letters.error());
    if (letters->empty()) break;
    after = letters->back().key.key;
    seen += letters->size();
    const auto more = revive(*cursor, *std::move(letters));
    if (!more && revived == 0) return std::unexpected(more.error());
    revived += more.value_or(0);
    if (auto written = wait_until_written(*cursor); !written) return std::unexpected(written.error());
    loop_.tell();
    if (!more) break;
  }
  if (seen == 0) return nothing_of(which);
  if (revived == 0)
    return fail(
        ErrorKind::invalid_input,
        fmt::format("{} holds nothing that could be sent again: the destination refused some of a batch "
                    "without saying which",
                    which));
  return revived;
}

Result<std::uint64_t> SpoolImpl::revive(CursorImpl& cursor, std::vector<KeptLetter> letters) {
  auto* second = cursors_.find(cursor.name() + "#info");
  std::uint64_t revived = 0;
  for (auto& [key, letter] : letters) {
    if (letter.payload.empty()) continue;
    if (cursors_.parked_bytes() + key.bytes > parked_max_bytes_) {
      if (revived > 0) return revived;
      return fail(ErrorKind::full,
                  fmt::format("parked_max_bytes {} is reached: what is parked must be delivered first",
                              bytes_text(parked_max_bytes_)));
    }
    auto* keeper = cursors_.keeper_of(cursor.name(), letter.kind);
    Parked part = parked_letter(std::move(letter));
    if (!keeper->revive(std::move(key), part)) continue;
    ++revived;
    if (second != nullptr && keeper != second) second->revive(Outcome::delivered, std::move(part));
  }
  return revived;
}

}  // namespace spanferry::spool
