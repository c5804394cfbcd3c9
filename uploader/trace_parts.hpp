// Daemons that deliver one trace, each some of its spans, replace the same file: there is no other way to
// write it. They tell each other by the trace itself, where every key is merged and none is replaced:
//
//   metadata spanferry.part.ID = first    ID told about the trace without having its root, before anybody
//                                         else had; "joined" once the root's scalars are told again
//   tag      spanferry.part.ID = writing NONCE, then written NONCE, or gone if nobody else takes part;
//                                " root" follows where ID has the root
//
// Who finds nobody else writes once and says nothing: the root's daemon, or the first without the root. All
// others announce themselves before they read, and look after they wrote (docs/delivery.md).
#pragma once

#include <string>
#include <string_view>

#include "model/mlflow_json.hpp"
#include "spool/spool.hpp"

namespace spanferry::uploader {

class TraceParts {
 public:
  // The ID of this spool; it is made once.
  explicit TraceParts(spool::Spool& spool);

  [[nodiscard]] const std::string& key() const { return key_; }
  // What to set the tag to: another one each time.
  static std::string announcement(bool has_root);
  static std::string end_of(std::string_view announcement);

  // Somebody else takes part, or did.
  [[nodiscard]] bool any_other(const mlflow::KnownInfo& known) const;
  // Somebody else was the first without the root, and has not announced itself since: it may be about to
  // write without looking.
  [[nodiscard]] bool other_is_first(const mlflow::KnownInfo& known) const;
  // Somebody else who has the root has announced itself: it will not write without looking.
  [[nodiscard]] bool other_has_root(const mlflow::KnownInfo& known) const;
  // What the others say by their tags; those alone that are writing.
  [[nodiscard]] std::string others(const mlflow::KnownInfo& known) const;
  [[nodiscard]] std::string writing(const mlflow::KnownInfo& known) const;
  // We were the first without the root, and have not repaired since what that may have undone.
  [[nodiscard]] bool was_first(const mlflow::KnownInfo& known) const;
  // Somebody was.
  [[nodiscard]] static bool anybody_was_first(const mlflow::KnownInfo& known);

 private:
  std::string key_;
};

inline constexpr std::string_view kFirstPart = "first";
inline constexpr std::string_view kJoinedPart = "joined";

// Whoever saw the root, or an MLflow client, has told about the trace: all of them tell how large it is.
bool is_told_by_root(const mlflow::KnownInfo& known);

}  // namespace spanferry::uploader
