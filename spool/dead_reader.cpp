#include "spool/dead_reader.hpp"

#include <memory>

#include "spool/keys.hpp"

namespace spanferry::spool {

Result<std::vector<DeadLetter>> read_dead_letters(Store& store, std::string_view destination,
                                                  std::size_t limit) {
  std::vector<DeadLetter> letters;
  const std::string prefix = destination.empty() ? std::string() : dead_prefix(destination);
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::dead)));
  for (it->Seek(prefix); it->Valid() && letters.size() < limit; it->Next()) {
    if (!view(it->key()).starts_with(prefix)) break;
    if (auto letter = decode_dead_letter(view(it->value()))) letters.push_back(std::move(*letter));
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the dead letters"));
  return letters;
}

Result<std::optional<DeadLetter>> read_dead_letter(Store& store, std::string_view id) {
  const auto key = dead_key_of_id(id);
  if (!key) return std::optional<DeadLetter>{};
  std::string value;
  const auto got = store.db().Get(rocksdb::ReadOptions(), store.family(Family::dead), *key, &value);
  if (got.IsNotFound()) return std::optional<DeadLetter>{};
  if (!got.ok()) return std::unexpected(error_of(got, "cannot read the dead letter"));
  auto letter = decode_dead_letter(value);
  if (!letter) return std::unexpected(letter.error());
  return std::optional<DeadLetter>(std::move(*letter));
}

}  // namespace spanferry::spool
