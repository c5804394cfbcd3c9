#include "bench/load/backend.hpp"
#include "bench/load/checker.hpp"
#include "bench/load/http_text.hpp"

namespace spanferry::bench {
namespace {

class OtlpBackend final : public Backend {
 public:
  explicit OtlpBackend(bool check_later) : checker_(check_later) {}

  Answer answer(const Request& request) override {
    const bool is_gzip = same_letters(header(request.head, "Content-Encoding"), "gzip");
    if (!checker_.take(request.body, is_gzip)) return {400, "text/plain", "this is no OTLP request\n"};
    return {200, "application/x-protobuf", ""};
  }
  void add_stats(JsonWriter& json) const override { bench::add_stats(json, checker_.counts()); }
  [[nodiscard]] Comparison compare(const Ledger& ledger) const override { return checker_.compare(ledger); }

 private:
  Checker checker_;
};

}  // namespace

std::unique_ptr<Backend> make_otlp_backend(bool check_later) {
  return std::make_unique<OtlpBackend>(check_later);
}

}  // namespace spanferry::bench
