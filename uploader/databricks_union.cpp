// A trace that somebody else writes to as well. Whoever comes announces itself by a tag, reads what is there,
// writes the union, and looks once more: who was writing at the same time may have read before that. Then it
// waits for their end and looks whether its own spans are still there. The last one to write has read what
// all others wrote, so that the spans of everybody end up in the file.
#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "uploader/databricks_experiment_storage.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr int kMaxRounds = 5;
constexpr std::size_t kMaxWaits = 10'000;

Verdict of(Action action) {
  Verdict verdict;
  verdict.action = action;
  return verdict;
}

// What those who saw the root have told stays; what is counted over all spans is told anew.
void keep_scalars(mlflow::TraceInfo& info, const mlflow::KnownInfo& known) {
  info.state = mlflow::state_named(known.state);
  info.request_time_ms = known.request_time_ms;
  info.execution_duration_ms = known.execution_duration_ms;
  info.client_request_id = known.client_request_id;
  info.request_preview.reset();
  info.response_preview.reset();
  std::erase_if(info.metadata, [&known](const auto& entry) {
    const bool counted = entry.first == "mlflow.trace.tokenUsage" || entry.first == "mlflow.trace.cost" ||
                         entry.first.starts_with("mlflow.trace.size");
    return !counted && known.metadata.contains(entry.first);
  });
}

std::size_t count_missing(const std::vector<mlflow::StoredSpan>& wanted,
                          const std::vector<mlflow::StoredSpan>& there) {
  std::unordered_map<SpanId, bool> ended;
  for (const mlflow::StoredSpan& span : there) ended.emplace(span.span_id, span.end_ns != 0);
  return static_cast<std::size_t>(std::ranges::count_if(wanted, [&ended](const mlflow::StoredSpan& span) {
    const auto it = ended.find(span.span_id);
    return it == ended.end() || (span.end_ns != 0 && !it->second);
  }));
}

}  // namespace

asio::awaitable<Verdict> ExperimentStorageDelivery::join(Upload& upload) {
  upload.ours = upload.gathered.trace.spans;
  const auto wait = waits_.find(upload.gathered.trace.id);
  bool written = wait != waits_.end() && wait->second.wrote;
  upload.tags_due |= wait != waits_.end() && wait->second.tags_due;
  for (int round = 1; round <= kMaxRounds;) {
    if (!written) {
      Verdict verdict = co_await write(upload);
      if (verdict.action == Action::again) continue;  // each try waits at the gate
      if (verdict.action != Action::done || upload.later) co_return verdict;
      ++round;
    }
    Verdict verdict = co_await find(upload);
    if (verdict.action != Action::done || upload.later || upload.missing == 0) co_return verdict;
    written = false;
  }
  upload.later = true;
  co_return of(Action::done);
}

// Looks whether ours are there, and stay. Sets later, or missing.
asio::awaitable<Verdict> ExperimentStorageDelivery::find(Upload& upload) {
  const bool wrote_now = !upload.announcement.empty();
  const std::string before = upload.others;
  Verdict verdict = co_await look(upload);
  if (verdict.action != Action::done) co_return verdict;
  if (!upload.known) co_return of(Action::not_found);
  upload.missing = 0;
  const std::string writing = parts_.writing(*upload.known);
  const bool undisturbed = writing.empty() && before.find("=writing ") == std::string::npos &&
                           parts_.others(*upload.known) == before;
  if (wrote_now && undisturbed) co_return verdict;
  if (!writing.empty() && must_wait(upload, writing, true)) co_return verdict;
  co_return co_await read(upload);
}

asio::awaitable<Verdict> ExperimentStorageDelivery::write(Upload& upload) {
  Verdict verdict = co_await announce(upload);
  if (verdict.action == Action::done) verdict = co_await look(upload);
  if (verdict.action != Action::done) co_return verdict;
  if (!upload.known) co_return of(Action::not_found);
  upload.others = parts_.others(*upload.known);
  const bool all_there_is_ours = upload.root_here && upload.told_before &&
                                 !upload.gathered.is_less_than_uploaded() && !parts_.any_other(*upload.known);
  if (!all_there_is_ours) verdict = co_await read(upload);
  if (verdict.action != Action::done) co_return verdict;
  // Who told about the trace and found nobody else will write once, without looking.
  const bool first_is_writing = is_told_by_root(*upload.known) && !upload.root_there && !upload.has_root &&
                                !parts_.other_has_root(*upload.known);
  const bool other_is_writing = parts_.other_is_first(*upload.known) && !upload.file_there && !upload.first;
  if ((first_is_writing && must_wait(upload, "the root", false)) ||
      (other_is_writing && must_wait(upload, "the first file", false)))
    co_return co_await retract(upload);
  mlflow::SpansFile file = mlflow::spans_file(upload.gathered.trace.spans);
  verdict = co_await tell_union(upload, file);
  if (verdict.action == Action::done) verdict = co_await put(upload, std::move(file.body));
  if (verdict.action == Action::done) verdict = co_await retract(upload);
  co_return verdict;
}

asio::awaitable<Verdict> ExperimentStorageDelivery::announce(Upload& upload) {
  upload.announcement = TraceParts::announcement(upload.has_root);
  Verdict verdict = co_await calls_.set_tag(upload.gathered.trace.id, parts_.key(), upload.announcement);
  // Where there is no such call only looking is left.
  if (verdict.action == Action::fallback) verdict.action = Action::done;
  co_return verdict;
}

asio::awaitable<Verdict> ExperimentStorageDelivery::retract(Upload& upload) {
  const TraceId& id = upload.gathered.trace.id;
  Verdict verdict =
      upload.known && !parts_.any_other(*upload.known) && (upload.has_root || !is_told_by_root(*upload.known))
          ? co_await calls_.erase_tag(id, parts_.key())
          : co_await calls_.set_tag(id, parts_.key(), TraceParts::end_of(upload.announcement));
  if (verdict.action == Action::fallback) verdict.action = Action::done;
  co_return verdict;
}

// The file there, under what we know; missing: how many of ours and of what was there once it lacks.
asio::awaitable<Verdict> ExperimentStorageDelivery::read(Upload& upload) {
  std::vector<mlflow::StoredSpan>& all = upload.gathered.trace.spans;
  Verdict verdict = co_await storage_.download(upload.gathered.trace.id);
  if (verdict.action != Action::done) co_return verdict;
  std::vector<mlflow::StoredSpan> there;
  upload.file_there = !verdict.response.body.empty();
  if (upload.file_there) {
    auto spans = mlflow::parse_spans_file(verdict.response.body);
    if (!spans) {
      verdict.action = Action::split;
      verdict.reason = fmt::format(
          "the span file that the workspace holds for this trace cannot be read, and is not replaced: {}",
          spans.error().sentence);
      co_return verdict;
    }
    there = *std::move(spans);
  }
  upload.root_there =
      std::ranges::any_of(there, [](const mlflow::StoredSpan& span) { return !span.parent_id; });
  upload.missing = count_missing(all, there);
  // Theirs as they are there now, ours as we have them.
  mlflow::merge_spans(all, std::move(there));
  mlflow::merge_spans(all, upload.ours);
  verdict.response.body.clear();
  co_return verdict;
}

// Once the root is known, from whomever, the trace info is told as it follows from all spans.
asio::awaitable<Verdict> ExperimentStorageDelivery::tell_union(Upload& upload,
                                                               const mlflow::SpansFile& file) {
  const mlflow::Trace& trace = upload.gathered.trace;
  if (trace.root() == nullptr) co_return of(Action::done);
  const mlflow::KnownInfo& known = *upload.known;
  mlflow::TraceInfo info = mlflow::trace_info(trace, mlflow::Flavor::databricks, context_.context);
  mlflow::add_size_stats(info, file.span_sizes, file.body.size());
  const bool told = is_told_by_root(known);
  if (!upload.has_root && !told) co_return of(Action::done);  // who did tell knows better
  // A first one without the root may have come just after the root's daemon, and undone its scalars.
  if (!upload.has_root && !TraceParts::anybody_was_first(known)) keep_scalars(info, known);
  if (parts_.was_first(known)) info.metadata.insert_or_assign(parts_.key(), std::string(kJoinedPart));
  if (!info.client_request_id) info.client_request_id = known.client_request_id;
  // A first one without the root may have told its own just before.
  const bool tags_due = upload.root_here && (!told || upload.tags_due);
  const auto tags = tags_due ? mlflow::WithTags::yes : mlflow::WithTags::no;
  Verdict verdict = co_await start_trace(info, upload.experiment, tags);
  if (verdict.action == Action::exists) verdict.action = Action::done;
  if (verdict.action == Action::done) {
    upload.tags_due = false;
    upload.tags_told |= tags_due;
  }
  co_return verdict;
}

// Whether the others have not had all the time they can need, since they were first seen so.
bool ExperimentStorageDelivery::must_wait(Upload& upload, std::string what, bool wrote) {
  if (waits_.size() >= kMaxWaits) waits_.clear();  // those begin anew
  Wait& wait = waits_[upload.gathered.trace.id];
  if (wait.what != what) wait = {std::move(what), Clock::now()};
  wait.wrote = wrote;
  wait.tags_due = upload.tags_due;
  upload.later = Clock::now() - wait.since < tuning_.patience;
  return upload.later;
}

}  // namespace spanferry::uploader
