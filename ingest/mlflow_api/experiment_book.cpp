#include "ingest/mlflow_api/experiment_book.hpp"

#include <fmt/format.h>

#include "model/json_object.hpp"
#include "model/json_writer.hpp"
#include "model/provisional_id.hpp"
#include "spool/limits.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxExperiments = 10'000;

std::string encode(const Experiment& experiment) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("id", experiment.id)
      .field("far_id", experiment.far_id)
      .field("name", experiment.name)
      .field("created", experiment.created_ms)
      .field("updated", experiment.updated_ms)
      .field("deleted", experiment.deleted)
      .field("made_by", std::to_string(experiment.made_by))
      .field("edited", std::to_string(experiment.edited));
  json.key("tags").begin_array();
  for (const auto& [key, value] : experiment.tags)
    json.begin_object().field("key", key).field("value", value).end_object();
  json.end_array().end_object();
  return out;
}

Result<Experiment> decode(std::string_view value) {
  const auto json = JsonObject::parse(value, "the experiment");
  if (!json) return std::unexpected(json.error());
  Experiment experiment;
  experiment.id = json->text("id").value_or("");
  experiment.far_id = json->text("far_id").value_or("");
  experiment.name = json->text("name").value_or("");
  experiment.created_ms = json->integer("created").value_or(0);
  experiment.updated_ms = json->integer("updated").value_or(0);
  const std::string* deleted = json->find("deleted");
  experiment.deleted = deleted != nullptr && *deleted == "true";
  experiment.made_by = std::strtoull(json->text("made_by").value_or("0").c_str(), nullptr, 10);
  experiment.edited = std::strtoull(json->text("edited").value_or("0").c_str(), nullptr, 10);
  for (const std::string& tag : json->list("tags"))
    if (const auto one = JsonObject::parse(tag, "the tag"))
      experiment.tags.emplace_back(one->text("key").value_or(""), one->text("value").value_or(""));
  return experiment;
}

}  // namespace

bool Experiment::provisional() const { return is_provisional_id(id); }

void Experiment::set_tag(const std::string& key, const std::string& value) {
  std::erase_if(tags, [&key](const auto& tag) { return tag.first == key; });
  tags.emplace_back(key, value);
}

ExperimentBook::ExperimentBook(spool::Spool& spool, std::string owner)
    : spool_(spool), owner_(std::move(owner)) {}

std::string ExperimentBook::key_of(std::size_t place) const {
  return fmt::format("mlflow_api/{}/experiment/{}", owner_, place);
}

Result<> ExperimentBook::load() {
  const std::lock_guard lock(mutex_);
  for (std::size_t place = 0; place < kMaxExperiments; ++place) {
    const auto value = spool_.load(key_of(place));
    if (!value) return std::unexpected(value.error());
    if (!*value) break;
    auto experiment = decode(**value);
    // One that cannot be read keeps its place, under no name.
    if (!experiment) experiment = Experiment{};
    if (!experiment->name.empty()) by_name_.insert_or_assign(experiment->name, place);
    for (const std::string& id : {experiment->id, experiment->far_id})
      if (!id.empty()) by_id_.insert_or_assign(id, place);
    all_.push_back(*std::move(experiment));
  }
  return {};
}

std::optional<Experiment> ExperimentBook::by_name(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? std::nullopt : std::optional(all_[it->second]);
}

std::optional<Experiment> ExperimentBook::by_id(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? std::nullopt : std::optional(all_[it->second]);
}

std::vector<Seq> ExperimentBook::edits() const {
  const std::lock_guard lock(mutex_);
  std::vector<Seq> edits;
  for (const Experiment& experiment : all_)
    if (experiment.edited != 0) edits.push_back(experiment.edited);
  return edits;
}

std::vector<Experiment> ExperimentBook::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Experiment> named;
  for (const Experiment& experiment : all_)
    if (!experiment.name.empty()) named.push_back(experiment);
  return named;
}

std::size_t ExperimentBook::size() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

bool ExperimentBook::is_due(const std::string& name, std::int64_t now_ms, std::int64_t fresh_ms) {
  const std::lock_guard lock(mutex_);
  if (!by_name_.contains(name)) return false;
  const auto [it, is_new] = asked_ms_.try_emplace(name, now_ms);
  if (is_new) return true;
  if (now_ms - it->second < fresh_ms) return false;
  it->second = now_ms;
  return true;
}

std::string ExperimentBook::put(Experiment experiment, std::move_only_function<void(Result<>)> done) {
  const auto refuse = [&done](ErrorKind kind, std::string sentence) {
    if (done) done(fail(kind, std::move(sentence)));
    return std::string();
  };
  std::unique_lock lock(mutex_);
  const auto known = by_name_.find(experiment.name);
  const std::size_t place = known == by_name_.end() ? all_.size() : known->second;
  if (place == kMaxExperiments)
    return refuse(ErrorKind::full, fmt::format("more than {} experiments are not kept", kMaxExperiments));
  if (experiment.id.empty()) experiment.id = std::to_string(place);
  if (place < all_.size() && all_[place].edited > experiment.edited) {
    experiment.edited = all_[place].edited;
    experiment.tags = all_[place].tags;
  }
  std::string value = encode(experiment);
  if (value.size() > spool::kMaxPutValueBytes)
    return refuse(ErrorKind::too_large,
                  fmt::format("the experiment's name and tags take {} bytes, of at most {}", value.size(),
                              spool::kMaxPutValueBytes));
  std::string id = experiment.id;
  by_name_.insert_or_assign(experiment.name, place);
  for (const std::string& one : {experiment.id, experiment.far_id})
    if (!one.empty()) by_id_.insert_or_assign(one, place);
  if (place == all_.size()) {
    all_.push_back(std::move(experiment));
  } else {
    all_[place] = std::move(experiment);
  }
  lock.unlock();
  spool_.put(key_of(place), std::move(value), std::move(done));
  return id;
}

void ExperimentBook::edit(std::string_view id, const std::string& key, const std::string& value, Seq edited) {
  auto experiment = by_id(id);
  if (!experiment) return;
  experiment->edited = edited;
  if (!key.empty()) experiment->set_tag(key, value);
  put(*std::move(experiment));
}

}  // namespace spanferry::ingest
