// Where models are fetched from and kept, as the environment says: the variables and defaults of huggingface_hub.
#pragma once

#include <filesystem>
#include <string>

namespace rerank::hub {

struct Settings {
  std::string endpoint = "https://huggingface.co";  // no slash at its end
  std::string token;                                // empty: none
  std::filesystem::path cache;                      // the folder of all models
  bool offline = false;
  std::string ca_file, ca_folder;  // certificates to trust; empty: the system's
  int metadata_timeout_s = 10;     // for a connection, and for an answer to begin
  int stall_timeout_s = 10;        // a body that comes slower than kSlowestBytesPerSecond for so long counts as cut
  int retries = 5;                 // of a request, one after the other, that bring nothing
};

// Of the environment: HF_ENDPOINT; HF_TOKEN, HUGGING_FACE_HUB_TOKEN, else the file at HF_TOKEN_PATH or HF_HOME/token,
// unless HF_HUB_DISABLE_IMPLICIT_TOKEN; HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
// XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub; HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE; SSL_CERT_FILE,
// REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, SSL_CERT_DIR; HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT in seconds. A
// variable that is set to nothing counts as not set. Proxies are libcurl's matter.
Settings settings_from_environment();

// The folder of all models alone, of the same variables.
std::filesystem::path cache_folder();

}  // namespace rerank::hub
