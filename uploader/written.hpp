// Waits until a cursor's moves are in the kernel: what a batch has settled stays in flight until then, so
// that a kill repeats no more than `concurrency` batches.
#pragma once

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "spool/cursor.hpp"

namespace spanferry::uploader {

// On the deliver thread. Cannot be cancelled: the spool must not call back into a loop that is gone.
inline boost::asio::awaitable<void> written(boost::asio::io_context& io, spool::Cursor& cursor) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
      [&io, &cursor](auto handler) {
        cursor.when_written(
            [&io, handler = std::move(handler)]() mutable { boost::asio::post(io, std::move(handler)); });
      },
      boost::asio::use_awaitable);
}

}  // namespace spanferry::uploader
