// Makes Unity Catalog locations, and links experiments to them. CONTRACT 2.3.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "model/mlflow_table.hpp"
#include "uploader/sender.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

// The bodies of the two calls that do it. `path`: catalog.schema.prefix.
inline constexpr std::string_view kMakeLocationPath = "/api/5.0/mlflow/tracing/locations";
std::string make_location_body(std::string_view path, std::string_view sql_warehouse_id);
std::string link_location_path(std::string_view experiment_id);
std::string link_location_body(std::string_view path, std::string_view experiment_id);

// Both, for the location that the destination names (`unity_catalog`). Where its traces go from now on. Fails
// with Action::held (forbidden), Action::stopped, or as it is refused. Lives on the deliver thread; both
// outlive the call.
boost::asio::awaitable<std::expected<mlflow::TableLocation, Verdict>> link_to_location(
    const DestinationSettings& settings, Sender& sender, std::string experiment_id);

}  // namespace spanferry::uploader
