// Expected texts: what Python 3.11's json.dumps writes of json.loads of the same text.
#include "model/mlflow_python_json.hpp"

#include <gtest/gtest.h>

namespace spanferry::mlflow {
namespace {

TEST(MlflowPythonJson, WritesAsPythonDoes) {
  EXPECT_EQ(python_json(R"({"a":[1,2.50,-0.0,1e5,1E-5,1e16,123456789012345680.0,true,null],"b":{}})",
                        Escape::needed),
            R"({"a": [1, 2.5, -0.0, 100000.0, 1e-05, 1e+16, 1.2345678901234568e+17, true, null], "b": {}})");
  EXPECT_EQ(python_json("\"h\u00e9 \U0001f389\x7f\\n\\b/\"", Escape::non_ascii),
            R"("h\u00e9 \ud83c\udf89\u007f\n\b/")");
  EXPECT_EQ(python_json("\"h\u00e9\"", Escape::needed), "\"h\u00e9\"");
}

TEST(MlflowPythonJson, OfAKeyThatIsThereTwiceTheLastValueStandsAtTheFirstPlace) {
  EXPECT_EQ(python_json(R"({"a":1,"b":2,"a":3})", Escape::needed), R"({"a": 3, "b": 2})");
}

TEST(MlflowPythonJson, WhatIsNoJsonBecomesAString) {
  EXPECT_EQ(python_json("{oops", Escape::needed), R"("{oops")");
}

TEST(MlflowPythonJson, TextThatIsTooDeepIsAString) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(python_json(nested(1'000), Escape::needed), nested(1'000));
  EXPECT_EQ(python_json(nested(100'000), Escape::needed), '"' + nested(100'000) + '"');
}

TEST(MlflowPythonJson, UnwrapsOnlyAsManyLayersAsAsked) {
  const std::string twice = R"("\"[1]\"")";
  EXPECT_EQ(unwrapped(twice, 0), twice);
  EXPECT_EQ(unwrapped(twice, 1), R"("[1]")");
  EXPECT_EQ(unwrapped(twice, 5), "[1]");
  EXPECT_EQ(unwrapped(R"("plain")", 5), R"("plain")");
  EXPECT_EQ(each_unwrapped(R"(["{\"a\":1}", "no json", 7])", 1), R"([{"a":1}, "no json", 7])");
}

}  // namespace
}  // namespace spanferry::mlflow
