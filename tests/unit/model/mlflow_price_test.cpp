// Expected figures: mlflow 3.17.2, calculate_cost_by_model_and_token_usage without a newer list from the net.
#include "model/mlflow_price.hpp"

#include <gtest/gtest.h>

namespace spanferry::mlflow {
namespace {

TEST(MlflowPrice, CountsCachedTokensAtTheirOwnPrice) {
  const auto cost = cost_of_call(
      R"("gpt-4o")", R"({"input_tokens": 1000, "output_tokens": 10, "cache_read_input_tokens": 400})",
      R"("OpenAI")");
  ASSERT_TRUE(cost);
  EXPECT_DOUBLE_EQ(cost->input, 600 * 2.5e-06 + 400 * 1.25e-06);
  EXPECT_DOUBLE_EQ(cost->output, 10 * 1e-05);
}

TEST(MlflowPrice, LooksForTheModelOfAnUnknownProviderInEveryList) {
  const auto known = cost_of_call(R"("gpt-4o")", R"({"input_tokens": 7})", R"("openai")");
  const auto unknown = cost_of_call(R"("some/gpt-4o")", R"({"input_tokens": 7})", R"("nobody")");
  ASSERT_TRUE(known && unknown);
  EXPECT_DOUBLE_EQ(known->input, unknown->input);
}

TEST(MlflowPrice, CountsNothingWithoutModelOrTokensOrNumbers) {
  EXPECT_FALSE(cost_of_call(R"("no-such-model")", R"({"input_tokens": 7})", "null"));
  EXPECT_FALSE(cost_of_call(R"("gpt-4o")", R"({"input_tokens": 0, "output_tokens": 0})", "null"));
  EXPECT_FALSE(cost_of_call(R"("gpt-4o")", R"({"input_tokens": "7"})", "null"));
  EXPECT_FALSE(cost_of_call(R"("gpt-4o")", "[]", "null"));
  EXPECT_FALSE(cost_of_call("7", R"({"input_tokens": 7})", "null"));
  EXPECT_FALSE(cost_of_call(R"("gateway:/gpt-4o")", R"({"input_tokens": 7})", "null"));
}

}  // namespace
}  // namespace spanferry::mlflow
