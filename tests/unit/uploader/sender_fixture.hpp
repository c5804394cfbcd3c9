// A sender and the scripted server it speaks to, on one loop; whatever is under way ends with the test.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"
#include "uploader/http_sender.hpp"

namespace spanferry::uploader {

class SenderFixture : public ::testing::Test {
 protected:
  SenderFixture(Kind kind, testing::Answer answer)
      : server(io, [answer = std::move(answer)](const testing::Received&) { return answer; }) {
    settings.name = "there";
    settings.kind = kind;
    settings.url = server.url();
  }
  void TearDown() override {
    if (sender) sender->stop();
    server.stop();
    io.restart();
    io.run_for(std::chrono::seconds(5));
  }
  HttpSender& make_sender(const SenderTuning& tuning) {
    sender = std::make_unique<HttpSender>(io, settings, "this-process", tuning);
    return *sender;
  }

  boost::asio::io_context io;
  testing::ScriptedServer server;
  DestinationSettings settings;
  std::unique_ptr<HttpSender> sender;
};

}  // namespace spanferry::uploader
