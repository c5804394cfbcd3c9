// From what Beast has parsed to the Head that the doors look at. Includes Beast: for connection.cpp alone.
#pragma once

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "ingest/head.hpp"

namespace spanferry::ingest {

// `parser` has read a header, and outlives the Head. What Beast lets pass and a proxy before us may read in
// another way is named in `unsound`: a transfer coding other than chunked, a length or another header that we
// judge by twice.
Head head_of(const boost::beast::http::request_parser<boost::beast::http::buffer_body>& parser,
             bool peer_is_loopback);

}  // namespace spanferry::ingest
