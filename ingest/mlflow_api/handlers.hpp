// The handlers of the MLflow API, one group of paths a file; routes.cpp says which path is whose.
#pragma once

#include "ingest/mlflow_api/api.hpp"

namespace spanferry::ingest {

using ApiHandler = void (*)(Api&, const Call&, Reply);

// server_facts.cpp
void tell_version(Api& api, const Call& call, Reply reply);
void tell_health(Api& api, const Call& call, Reply reply);
void tell_server_info(Api& api, const Call& call, Reply reply);

// experiments.cpp
void experiment_by_name(Api& api, const Call& call, Reply reply);
void experiment_by_id(Api& api, const Call& call, Reply reply);
void create_experiment(Api& api, const Call& call, Reply reply);
void set_experiment_tag(Api& api, const Call& call, Reply reply);

// experiment_search.cpp
void search_experiments(Api& api, const Call& call, Reply reply);

// start_trace.cpp
void start_trace(Api& api, const Call& call, Reply reply);
void refuse_v2_start(Api& api, const Call& call, Reply reply);

// tags.cpp
void set_tag(Api& api, const Call& call, Reply reply);
void delete_tag(Api& api, const Call& call, Reply reply);

// assessments.cpp
void create_assessment(Api& api, const Call& call, Reply reply);
void get_assessment(Api& api, const Call& call, Reply reply);
void update_assessment(Api& api, const Call& call, Reply reply);
void delete_assessment(Api& api, const Call& call, Reply reply);

// deletions.cpp
void delete_traces(Api& api, const Call& call, Reply reply);

// files.cpp
void put_artifact(Api& api, const Call& call, Reply reply);
void get_artifact(Api& api, const Call& call, Reply reply);

// workspace_facts.cpp
void tell_workspace(Api& api, const Call& call, Reply reply);
void tell_token_endpoint(Api& api, const Call& call, Reply reply);
void give_token(Api& api, const Call& call, Reply reply);

// credentials.cpp
void credentials_for_upload(Api& api, const Call& call, Reply reply);
void credentials_for_download(Api& api, const Call& call, Reply reply);
void put_stored(Api& api, const Call& call, Reply reply);
void get_stored(Api& api, const Call& call, Reply reply);

// tables.cpp
void start_trace_v4(Api& api, const Call& call, Reply reply);
void make_table_location(Api& api, const Call& call, Reply reply);
void read_table_location(Api& api, const Call& call, Reply reply);
void link_table_location(Api& api, const Call& call, Reply reply);

// feedback.cpp
void give_feedback(Api& api, const Call& call, Reply reply);

// trace_reads.cpp
void get_trace_info(Api& api, const Call& call, Reply reply);
void get_trace(Api& api, const Call& call, Reply reply);
void get_trace_info_v4(Api& api, const Call& call, Reply reply);
void batch_get_traces(Api& api, const Call& call, Reply reply);

// search.cpp
void search_traces(Api& api, const Call& call, Reply reply);
void search_traces_long_running(Api& api, const Call& call, Reply reply);

}  // namespace spanferry::ingest
