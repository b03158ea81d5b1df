// One request from its arrival to its answer: read by its dialect, run, answered once, and told of in log and metrics.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dialects/job.h"
#include "server/connection.h"
#include "server/held_memory.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/models.h"
#include "server/server.h"
#include "server/trace.h"

namespace rerank::server {

// What all requests share.
struct Services {
  const ServerOptions& options;
  boost::asio::io_context& io;        // timers
  boost::asio::thread_pool& readers;  // parsing and writing of bodies, away from the I/O thread
  boost::asio::thread_pool& fitters;  // tokenizing long texts: nobody who is to be read waits for that
  Models& models;
  Metrics& metrics;
  Log& log;
  HeldMemory& held;
  std::atomic<std::size_t> jobs{0};  // requests that wait for a model, or that one works on
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  // `headers` go with every answer.
  Exchange(Services& services, Incoming incoming, dialects::Headers headers, std::shared_ptr<Responder> responder);

  // From the I/O thread.
  void start();
  void client_is_gone();
  // Instead of start(): an answer that needs no dialect.
  void answer(dialects::HttpResponse response);

 private:
  using Kind = dialects::Failure::Kind;

  // What was measured of a request that was scored.
  struct Timing {
    double queue_s = 0, inference_s = 0;
    std::size_t tokens = 0, characters = 0;
  };

  // Everything below happens on the strand, one after the other, but for what says otherwise.
  void later(std::function<void(Exchange&)> call);              // from any thread
  void away_from_readers(std::function<void(Exchange&)> call);  // not on the strand, which waits for it
  void read();
  void run(dialects::HttpResponse response) { answer(std::move(response)); }
  void run(dialects::ScoreJob job);
  void run(dialects::GenerateJob job);
  void run(dialects::TokenizeJob job);
  bool can_begin(std::size_t model, std::optional<std::chrono::milliseconds> timeout);
  bool is_ready(std::size_t model);
  bool enter(std::size_t model, std::optional<std::chrono::milliseconds> timeout);
  bool hold(const dialects::ScoreJob& job);
  void fit(dialects::ScoreJob job);
  void submit(dialects::ScoreJob job);
  void finish_scores(const dialects::ScoreJob& job, std::vector<Result<Score>> scores, double queue_s);
  void finish_partly(const dialects::ScoreJob& job, const ScoreQueue::Part& part);
  void time_is_over();
  std::optional<std::vector<std::string>> prompts_of(dialects::GenerateJob& job);
  void count_scores(std::span<const Result<Score>> scores);
  void set_times(double queue_s);
  void begin_events();
  // From any thread, one after the other. What a job makes after the last one is dropped.
  void write_event(const std::function<std::string()>& make);
  void end_events(std::string last, const char* outcome);
  void send_event(std::string bytes);  // with the mutex held

  void arm_deadline(std::chrono::milliseconds timeout);
  void on_deadline();                                // on the I/O thread
  bool claim() { return !claimed_.exchange(true); }  // from any thread
  void set_cancel(std::function<void()> cancel);
  void cancel();  // from any thread
  void forget_cancel();
  void leave();  // from any thread
  void refuse(dialects::Failure failure);
  void fail(dialects::Failure failure);
  void finish(dialects::HttpResponse response);
  void decorate(dialects::HttpResponse& response) const;
  void report(int status, std::size_t bytes_out, const char* outcome);

  Services& services_;
  Incoming incoming_;
  dialects::Headers headers_;
  std::shared_ptr<Responder> responder_;
  std::optional<TraceParent> parent_, trace_;
  boost::asio::strand<boost::asio::thread_pool::executor_type> strand_;
  boost::asio::steady_timer deadline_;

  std::atomic<bool> claimed_{false};  // by the one who answers: the result, the deadline, or nobody
  std::mutex cancel_mutex_;
  std::function<void()> cancel_;
  std::atomic<bool> entered_{false};                            // counted in Services::jobs
  std::atomic<std::size_t> held_{0};                            // of Services::held, beside the body
  std::function<std::optional<ScoreQueue::Part>()> take_part_;  // ends the job with what is scored
  std::function<void(const ScoreQueue::Part&)> answer_partly_;
  std::string model_;
  std::size_t pairs_ = 0;
  std::optional<Timing> timing_;
  RequestMetrics* counted_as_ = nullptr;                               // of a request for scores
  std::function<std::string(const dialects::Failure&)> failed_event_;  // once events are sent
  std::mutex event_mutex_;
  bool events_ended_ = false;
  std::atomic<std::size_t> event_bytes_{0};
  std::optional<Metrics::Failure> failure_;
};

}  // namespace rerank::server
