// From a record's route to the experiment at the far side: looked up lazily, created when missing and
// allowed, cached in the spool so that a restart needs no look-up. CONTRACT 1.7, 2.2, 2.3.
#pragma once

#include <expected>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "model/record.hpp"
#include "uploader/sender.hpp"

namespace spanferry::uploader {

struct Experiment {
  std::string id;
  // Where its traces are when it is linked to Unity Catalog: the spans table's full name, and the location
  // (catalog.schema.prefix); else both are empty.
  std::string unity_catalog_table{}, unity_catalog_path{};
  // It was found linked only after it had been known without: what came in before this record may have gone
  // to experiment storage. 0: it was never known otherwise.
  Seq linked_since = 0;
};

// Lives on the deliver thread.
class Experiments {
 public:
  virtual ~Experiments() = default;
  // Waits as long as it takes. Fails with Action::stopped, with Action::held (this route cannot go now: its
  // experiment is forbidden, or missing and not to be created), or with what makes it impossible for good (an
  // id that does not exist, a name that the server refuses). For a kind-databricks destination without any
  // experiment it pauses the destination (paused_config) and names the variable to set.
  virtual boost::asio::awaitable<std::expected<Experiment, Verdict>> resolve(const Route& route) = 0;
  // The far side says that it is gone: the next resolve asks again.
  virtual void forget(const Route& route) = 0;
};

}  // namespace spanferry::uploader
