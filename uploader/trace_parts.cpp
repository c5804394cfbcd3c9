#include "uploader/trace_parts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/ids.hpp"

namespace spanferry::uploader {
namespace {

constexpr std::string_view kPrefix = "spanferry.part.";
constexpr std::string_view kWriting = "writing ";
constexpr std::string_view kHasRoot = " root";
constexpr std::string_view kSpoolKey = "up-part";
constexpr std::size_t kIdDigits = 8;

std::string random_digits() { return mint_trace_id().hex().substr(0, kIdDigits); }

// The entries of other daemons.
template <class F>
void each_other(const std::map<std::string, std::string>& entries, const std::string& own, const F& use) {
  for (auto it = entries.lower_bound(std::string(kPrefix));
       it != entries.end() && it->first.starts_with(kPrefix); ++it)
    if (it->first != own) use(it->first, it->second);
}

bool has_other(const std::map<std::string, std::string>& entries, const std::string& own) {
  bool found = false;
  each_other(entries, own, [&found](const auto&, const auto&) { found = true; });
  return found;
}

}  // namespace

TraceParts::TraceParts(spool::Spool& spool) {
  const auto known = spool.load(kSpoolKey);
  std::string id = known && *known ? **known : random_digits();
  if (!known || !*known) spool.put(std::string(kSpoolKey), id);
  key_ = std::string(kPrefix) + id;
}

std::string TraceParts::announcement(bool has_root) {
  return fmt::format("{}{}{}", kWriting, random_digits(), has_root ? kHasRoot : "");
}

std::string TraceParts::end_of(std::string_view announcement) {
  return fmt::format("written {}", announcement.substr(kWriting.size()));
}

bool TraceParts::any_other(const mlflow::KnownInfo& known) const {
  return has_other(known.metadata, key_) || has_other(known.tags, key_);
}

bool TraceParts::other_is_first(const mlflow::KnownInfo& known) const {
  bool found = false;
  each_other(known.metadata, key_,
             [&](const auto& key, const auto& /*value*/) { found |= !known.tags.contains(key); });
  return found;
}

bool TraceParts::other_has_root(const mlflow::KnownInfo& known) const {
  bool found = false;
  each_other(known.tags, key_,
             [&found](const auto& /*key*/, const auto& value) { found |= value.ends_with(kHasRoot); });
  return found;
}

std::string TraceParts::others(const mlflow::KnownInfo& known) const {
  std::string all;
  each_other(known.tags, key_,
             [&all](const auto& key, const auto& value) { all += fmt::format("{}={};", key, value); });
  return all;
}

std::string TraceParts::writing(const mlflow::KnownInfo& known) const {
  std::string all;
  each_other(known.tags, key_, [&all](const auto& key, const auto& value) {
    if (value.starts_with(kWriting)) all += fmt::format("{}={};", key, value);
  });
  return all;
}

bool TraceParts::was_first(const mlflow::KnownInfo& known) const {
  const auto it = known.metadata.find(key_);
  return it != known.metadata.end() && it->second == kFirstPart;
}

bool TraceParts::anybody_was_first(const mlflow::KnownInfo& known) {
  bool found = false;
  each_other(known.metadata, {},
             [&found](const auto& /*key*/, const auto& value) { found |= value == kFirstPart; });
  return found;
}

bool is_told_by_root(const mlflow::KnownInfo& known) {
  return known.metadata.contains("mlflow.trace.sizeStats");
}

}  // namespace spanferry::uploader
