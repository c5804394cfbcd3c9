// Makes the Unity Catalog location that a destination names (`unity_catalog`), and links an experiment to it.
// CONTRACT 2.3.
#pragma once

#include <expected>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "model/mlflow_table.hpp"
#include "uploader/sender.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

// Where its traces go from now on. Fails with Action::held (forbidden), Action::stopped, or as it is refused.
// Lives on the deliver thread; both outlive the call.
boost::asio::awaitable<std::expected<mlflow::TableLocation, Verdict>> link_to_location(
    const DestinationSettings& settings, Sender& sender, std::string experiment_id);

}  // namespace spanferry::uploader
