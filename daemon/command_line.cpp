#include "daemon/command_line.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace spanferry::daemon {
namespace {

class Parser {
 public:
  Parser()
      : app_("A local daemon that keeps spans safe on disk and ferries them to where they belong.",
             "spanferry") {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.set_version_flag("--version", "spanferry " SPANFERRY_VERSION);
    app_.add_option(
            "--config", config_file_,
            "Configuration file; else $SPANFERRY_CONFIG, else /etc/spanferry/spanferry.yaml if it is there")
        ->type_name("FILE");
    app_.add_option("--set", sets_,
                    "Any key of the configuration outside lists, as KEY=VALUE; may be repeated")
        ->type_name("KEY=VALUE")
        ->take_all()
        ->allow_extra_args(false);

    auto* run = add(app_, "run", "Run the daemon", Command::run);
    overrides(*run);
    auto* demo = add(app_, "demo", "Run with nothing configured in a temporary directory, removed at the end",
                     Command::demo);
    overrides(*demo);
    with_json(
        add(app_, "check",
            "Look at every part of the set-up and say what to do; changes nothing, also beside a daemon",
            Command::check));
    auto* status = client(app_, "status", "How the daemon and its destinations are", Command::status);
    status->add_flag("--ready", line_.ready, "Only an exit code: 0 when spans can be accepted");
    status->add_flag("--live", line_.live, "Only an exit code: 1 when only a restart helps")
        ->excludes("--ready");
    auto* trace = client(app_, "trace", "One trace as a tree, and whether it was delivered", Command::trace);
    trace->add_option("ID", line_.argument, "Trace id: 32 hex digits, or tr- and 32 hex digits")->required();
    auto* config = with_json(
        add(app_, "config", "The configuration in force, each value with its origin", Command::config));
    config->add_flag("--reference", line_.reference, "")->group("");
    config->add_flag("--metrics-reference", line_.metrics_reference, "")->group("");
    auto* send = add(app_, "send", "Send an OTLP request (protobuf or JSON) to the daemon", Command::send);
    ask(*send);
    send->add_option("FILE", line_.argument, "File to send; else standard input");
    send->add_flag("--udp", line_.udp, "As one datagram, without an answer");

    auto* spool = app_.add_subcommand("spool", "Look into the spool on disk, whether the daemon runs or not");
    spool->require_subcommand(1);
    spool->fallthrough();
    with_json(add(*spool, "inspect", "Count what is there by reading all of it", Command::spool_inspect));
    auto* forget =
        client(*spool, "forget", "Let go of what a removed destination left, dead letters included",
               Command::spool_forget);
    forget->add_option("NAME", line_.argument, "Of the destination")->required();
    auto* dead = spool->add_subcommand("dead", "What destinations refused for good");
    dead->require_subcommand(1);
    dead->fallthrough();
    auto* list = with_json(add(*dead, "list", "The dead letters, oldest first", Command::dead_list));
    list->add_option("--destination", line_.destination, "Of this destination alone")->type_name("NAME");
    auto* show =
        with_json(add(*dead, "show", "One dead letter with its reason and answer", Command::dead_show));
    show->add_option("ID", line_.argument, "As `dead list` prints it")->required();
    const std::string which =
        "An id as `dead list` prints it, or a destination's name for all of its letters";
    auto* exported = with_json(
        add(*dead, "export", "Write them as files: OTLP requests, and letters.jsonl", Command::dead_export));
    exported->add_option("WHICH", line_.argument, which + "; else all");
    exported->add_option("--output", line_.output, "The directory to write into")
        ->required()
        ->type_name("DIR");
    auto* retry = client(*dead, "retry", "Try dead letters again", Command::dead_retry);
    retry->add_option("WHICH", line_.argument, which)->required();
    auto* drop =
        client(*dead, "drop", "Give dead letters up: their spans count as dropped", Command::dead_drop);
    drop->add_option("WHICH", line_.argument, which)->required();
    with_json(add(app_, "version", "The version", Command::version));
  }

  std::expected<CommandLine, Finished> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      std::ostringstream out, err;
      const bool asked = app_.exit(e, out, err) == 0;
      return std::unexpected(Finished{asked ? kFine : kUsage, out.str(), err.str()});
    }
    if (!config_file_.empty()) line_.config_file = config_file_;
    for (const auto& set : sets_) {
      const auto equals = set.find('=');
      if (equals == std::string::npos || equals == 0)
        return std::unexpected(Finished{kUsage, "", fmt::format("--set {}: write it as KEY=VALUE\n", set)});
      line_.flags.push_back({set.substr(0, equals), set.substr(equals + 1), "--set"});
    }
    for (const auto& [name, key] : kOverrides)
      for (const auto& value : overrides_[name])
        line_.flags.push_back({std::string(key), value, std::string(name)});
    return std::move(line_);
  }

 private:
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOverrides{{
      {"--directory", "spool.directory"},
      {"--http", "listen.http"},
      {"--udp", "listen.udp"},
      {"--log-level", "log.level"},
  }};

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& what, Command command) {
    auto* sub = parent.add_subcommand(name, what);
    sub->fallthrough();
    sub->callback([this, command] { line_.command = command; });
    return sub;
  }
  CLI::App* with_json(CLI::App* sub) {
    sub->add_flag("--json", line_.json, "For programs");
    return sub;
  }
  void ask(CLI::App& sub) {
    sub.add_option("--address", line_.address, "Where the daemon listens; else as configured")
        ->type_name("IP:PORT");
  }
  CLI::App* client(CLI::App& parent, const std::string& name, const std::string& what, Command command) {
    auto* sub = with_json(add(parent, name, what, command));
    ask(*sub);
    return sub;
  }
  void overrides(CLI::App& sub) {
    for (const auto& [name, key] : kOverrides)
      sub.add_option(std::string(name), overrides_[name], fmt::format("The same as --set {}=", key))
          ->type_name("VALUE")
          ->take_all()
          ->allow_extra_args(false);
  }

  CLI::App app_;
  CommandLine line_;
  std::string config_file_;
  std::vector<std::string> sets_;
  std::map<std::string_view, std::vector<std::string>> overrides_;
};

}  // namespace

std::expected<CommandLine, Finished> parse_command_line(int argc, const char* const* argv) {
  return Parser().parse(argc, argv);
}

}  // namespace spanferry::daemon
