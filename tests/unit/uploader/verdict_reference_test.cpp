// docs/delivery.md holds the table of verdicts, made from the code by this test.
#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "uploader/verdict.hpp"

namespace spanferry::uploader {
namespace {

using enum Surface;
constexpr std::array kSurfaces{otlp, mlflow_otlp, mlflow_api, databricks_api, storage};
using Row = std::array<std::string, kSurfaces.size()>;

std::string word(Surface surface, Ruling ruling) {
  switch (ruling) {
    case Ruling::done:
      return surface == otlp ? "done; `partial_success` is read" : "done";
    case Ruling::split:
      return "split";
    case Ruling::halve:
      return "halve";
    case Ruling::not_found:
      return surface == mlflow_otlp ? "experiment gone" : "not there";
    case Ruling::exists:
      return "exists";
    case Ruling::new_url:
      return "new URL";
    case Ruling::fallback:
      return "fall back";
    case Ruling::retry:
      return "retry";
    case Ruling::retry_few:
      return "a few tries, then split";
    case Ruling::rate_limited:
      return "rate_limited";
    case Ruling::auth:
      return "paused_auth";
    case Ruling::forbidden:
      return "held, or paused_auth";
    case Ruling::config:
      return "paused_config";
  }
  return "";
}

Row row_of(int status, std::string_view code) {
  Row row;
  for (std::size_t i = 0; i < kSurfaces.size(); ++i)
    row[i] = word(kSurfaces[i], rule(kSurfaces[i], status, code));
  return row;
}

std::string line(std::string_view what, const Row& row) {
  return fmt::format("| {} | {} |\n", what, fmt::join(row, " | "));
}

// Error codes that make a difference at that status, in the order of the table.
std::vector<std::string> codes_at(int status) {
  std::vector<std::string> codes;
  for (const VerdictRow& row : verdict_table()) {
    if (row.error_code.empty() || status < row.first || status > row.last) continue;
    if (std::ranges::find(codes, row.error_code) == codes.end()) codes.emplace_back(row.error_code);
  }
  return codes;
}

std::string hundred(int first) {
  constexpr int kNobodysBusiness = 99;  // of a hundred: stands for all that have no row of their own
  const Row others = row_of(first + kNobodysBusiness, "");
  std::string lines;
  bool any = false;
  for (int status = first; status < first + 100; ++status) {
    if (row_of(status, "") != others)
      lines += line(fmt::format("{}", status), row_of(status, "")), any = true;
    for (const std::string& code : codes_at(status))
      lines += line(fmt::format("{} `{}`", status, code), row_of(status, code)), any = true;
  }
  return lines + line(fmt::format("{}{}xx", any ? "other " : "", first / 100), others);
}

std::string table() {
  std::string text =
      "| answer | otlp | MLflow `/v1/traces` | MLflow API | Databricks API | signed storage URL |\n"
      "|---|---|---|---|---|---|\n";
  for (const int first : {200, 300, 400, 500}) text += hundred(first);
  return text;
}

TEST(VerdictReference, IsTheTableInTheDocumentation) {
  constexpr std::string_view kBegin = "<!-- answers: made from uploader/verdict.cpp -->\n";
  constexpr std::string_view kEnd = "<!-- end of answers -->\n";
  const std::ifstream file(SPANFERRY_SOURCE_DIR "/docs/delivery.md");
  std::ostringstream read;
  read << file.rdbuf();
  const std::string text = read.str();
  const std::size_t begin = text.find(kBegin), end = text.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end);
  const std::string documented = text.substr(begin + kBegin.size(), end - begin - kBegin.size());
  EXPECT_EQ(documented, table()) << "the table of docs/delivery.md has to be:\n" << table();
}

}  // namespace
}  // namespace spanferry::uploader
