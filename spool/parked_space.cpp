#include "spool/parked_space.hpp"

#include <utility>

#include "spool/keys.hpp"

namespace spanferry::spool {
namespace {

std::size_t size_of(const ParkedOps::value_type& op) {
  return op.first.size() + (op.second ? op.second->size() : 0);
}

// Adds one part; false: it does not fit any more.
Result<bool> add(std::string_view key, std::string_view value, std::size_t max_bytes, std::size_t& bytes,
                 ParkedRead& read) {
  if (!read.parts.empty() && bytes + value.size() > max_bytes) return false;
  bytes += value.size();
  auto part = decode_parked(parse_parked_key(key), value);
  if (!part && part.error().kind == ErrorKind::unsupported) return std::unexpected(part.error());
  if (part) {
    part->stored_bytes = key.size() + value.size();
    read.parts.push_back(std::move(*part));
    return true;
  }
  Parked damaged{parse_parked_key(key), {}, nullptr, key.size() + value.size()};
  if (const auto header = peek_record_header(value)) damaged.header = header->header;
  read.damaged.push_back(std::move(damaged));
  return true;
}

}  // namespace

void ParkedChanges::put(std::string key, std::shared_ptr<const std::string> value) {
  bytes_ += key.size() + value->size();
  changes_.insert_or_assign(std::move(key), std::move(value));
}

bool ParkedChanges::erase(const std::string& key, const std::function<bool()>& is_stored) {
  const auto later = changes_.find(key);
  if (later != changes_.end()) return std::exchange(later->second, nullptr) != nullptr;
  const auto earlier = in_flight_.find(key);
  if (earlier != in_flight_.end() ? earlier->second == nullptr : !is_stored()) return false;
  changes_.emplace(key, nullptr);
  return true;
}

void ParkedChanges::write(Store& store, rocksdb::WriteBatch& batch) {
  auto* family = store.family(Family::parked);
  for (auto& [key, value] : changes_) {
    if (value) {
      batch.Put(family, key, *value).PermitUncheckedError();
    } else {
      batch.Delete(family, key).PermitUncheckedError();
    }
    in_flight_.insert_or_assign(key, std::move(value));
  }
  changes_.clear();
}

void ParkedChanges::durable() {
  in_flight_.clear();
  bytes_ = 0;
  for (const auto& op : changes_) bytes_ += size_of(op);
}

void ParkedChanges::failed() {
  changes_.merge(in_flight_);  // what is there already is newer
  in_flight_.clear();
}

ParkedOps ParkedChanges::of(std::string_view prefix) const {
  ParkedOps found;
  for (const auto* ops : {&changes_, &in_flight_}) {
    for (auto it = ops->lower_bound(prefix); it != ops->end() && it->first.starts_with(prefix); ++it)
      found.insert(*it);
  }
  return found;
}

Result<ParkedRead> read_parked(LiveStore& live, const ParkedOps& ops, const ParkedRange& range) {
  const auto store = live.access();
  if (!store) return store_is_closed();
  ParkedRead read;
  std::size_t bytes = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::parked)));
  it->Seek(range.after.empty() ? slice(range.prefix) : slice(range.after));
  if (it->Valid() && !range.after.empty() && view(it->key()) == range.after) it->Next();
  auto op = range.after.empty() ? ops.lower_bound(range.prefix) : ops.upper_bound(range.after);
  for (;;) {
    const bool stored = it->Valid() && view(it->key()).starts_with(range.prefix);
    const bool pending = op != ops.end() && op->first.starts_with(range.prefix);
    if (!stored && !pending) break;
    const bool take_op = pending && (!stored || op->first <= view(it->key()));
    if (take_op && stored && op->first == view(it->key())) it->Next();
    Result<bool> fits = true;
    if (!take_op) {
      fits = add(view(it->key()), view(it->value()), range.max_bytes, bytes, read);
      it->Next();
    } else if (op->second) {
      fits = add(op->first, *op->second, range.max_bytes, bytes, read);
    }
    if (!fits) return std::unexpected(fits.error());
    if (!*fits) break;
    if (take_op) ++op;
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the parked space"));
  return read;
}

}  // namespace spanferry::spool
