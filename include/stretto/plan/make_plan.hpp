// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a schedule and sizes to a plan, at run time or at compile time, through the same generator.
//
//     plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
//     constexpr auto& q = static_plan<one_f_one_b, ranks<4>, micro_batches<8>>;     a constant, checked as it compiles
// A schedule is any type with a `name` and
//     void order(const sizes&, int rank, auto&& put) const           puts rank's actions, in order
// and, where the defaults (training(), stage s on rank s mod ranks, every size taken) don't fit, any of
//     refusal refuses(const sizes&) const         graph passes(const sizes&) const      int stages(const sizes&) const
//     int rank_of(const sizes&, int stage) const
//     int routes(const sizes&) const              int route_of(const sizes&, int micro_batch) const
//     void route(const sizes&, int index, auto&& put) const          puts the hops of a route
//     int groups(const sizes&) const              void group(const sizes&, int index, auto&& put) const
// Cost: the generator runs twice, once to count and once to write; 16 bytes an action.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

namespace detail {

/// What a schedule must have, and what it can have only together; one sentence each.
template <class S>
constexpr bool is_schedule() {
  constexpr auto put_action = [](const action&) {};
  constexpr auto put_hop = [](const hop&) {};
  constexpr bool ordered = requires(const S& s, const sizes& z) { s.order(z, 0, put_action); };
  constexpr bool named = requires { S::name; };
  constexpr bool routed = requires(const S& s, const sizes& z) { s.route(z, 0, put_hop); };
  constexpr bool counted = requires(const S& s, const sizes& z) { s.routes(z); };
  constexpr bool changes_itself = !ordered && requires(S& s, const sizes& z) { s.order(z, 0, put_action); };
  static_assert(!changes_itself, "stretto: a schedule's order changes the schedule, and is asked for twice; make order const");
  static_assert(ordered || changes_itself, "stretto: a schedule needs void order(const sizes&, int rank, auto&& put) const, which puts the rank's actions; add it");
  static_assert(named, "stretto: a schedule needs static constexpr const char* name; add it");
  static_assert(routed == counted, "stretto: a schedule with routes needs both int routes(const sizes&) const and void route(const sizes&, int index, auto&& put) const; add the other");
  return ordered && named && routed == counted;
}

template <class S>
constexpr refusal refusal_of(const S& s, const sizes& z) {
  if (z.ranks < 1) return {"a plan needs at least one rank", size_name::ranks, z.ranks, -1, 1};
  if (z.micro_batches < 1) return {"a plan needs at least one micro-batch", size_name::micro_batches, z.micro_batches, -1, 1};
  if (z.chunks < 1) return {"a rank owns at least one chunk", size_name::chunks, z.chunks, -1, 1};
  if (z.slices < 1) return {"a micro-batch has at least one slice", size_name::slices, z.slices, -1, 1};
  if (z.slices > 65535) return {"a micro-batch has at most 65535 slices", size_name::slices, z.slices, 65535, -1};
  const double actions = 2.0 * z.ranks * z.chunks * z.micro_batches * z.slices;
  if (actions > 2147483647.0) {
    const char* const why = "the plan would have more than 2147483647 actions; use fewer";
    if (z.ranks > z.micro_batches && z.ranks > z.chunks && z.ranks > z.slices) return {why, size_name::ranks, z.ranks, -1, -1};
    if (z.chunks > z.micro_batches && z.chunks >= z.slices) return {why, size_name::chunks, z.chunks, -1, -1};
    if (z.slices > z.micro_batches) return {why, size_name::slices, z.slices, -1, -1};
    return {why, size_name::micro_batches, z.micro_batches, -1, -1};
  }
  if constexpr (requires { s.refuses(z); })
    return s.refuses(z);
  else
    return {};
}

template <class S>
constexpr graph passes_of(const S& s, const sizes& z) {
  if constexpr (requires { s.passes(z); })
    return s.passes(z);
  else
    return training();
}

template <class S>
constexpr int stages_of(const S& s, const sizes& z) {
  if constexpr (requires { s.stages(z); })
    return s.stages(z);
  else
    return z.ranks * z.chunks;
}

template <class S>
constexpr int routes_of(const S& s, const sizes& z) {
  if constexpr (requires { s.routes(z); })
    return s.routes(z);
  else
    return 1;
}

template <class S>
constexpr int groups_of(const S& s, const sizes& z) {
  if constexpr (requires { s.groups(z); })
    return s.groups(z);
  else
    return 0;
}

/// Puts the hops of a route: the schedule's own, or every stage in turn.
template <class S, class Put>
constexpr void put_route(const S& s, const sizes& z, int index, Put&& put) {
  if constexpr (requires { s.routes(z); })
    s.route(z, index, put);
  else
    for (int stage = 0; stage < stages_of(s, z); ++stage) {
      if constexpr (requires { s.rank_of(z, stage); })
        put(hop{stage, s.rank_of(z, stage)});
      else
        put(hop{stage, stage % z.ranks});
    }
}

/// How much room a plan takes.
struct extent {
  std::int64_t actions = 0, ints = 0;
  int ranks = 0;
  bool messages = false;   // the schedule puts them itself: a program
};

/// What a schedule counts must be there to be counted.
template <class S>
constexpr bool counts_fit(const S& s, const sizes& z) {
  return stages_of(s, z) > 0 && routes_of(s, z) > 0 && groups_of(s, z) >= 0;
}

template <class S>
constexpr extent measure(const S& s, const sizes& z) {
  extent e;
  e.ranks = z.ranks;
  for (int r = 0; r < z.ranks; ++r) s.order(z, r, [&](const action& a) {
      ++e.actions;
      e.messages = e.messages || a.is_message();
    });
  const int routes = routes_of(s, z), groups = groups_of(s, z);
  e.ints = routes * route_view::size(stages_of(s, z)) + (routes > 1 ? z.micro_batches : 0) + (groups > 0 ? groups + 1 : 0);
  if constexpr (requires { s.groups(z); })
    for (int g = 0; g < groups; ++g) s.group(z, g, [&](int) { ++e.ints; });
  return e;
}

/// What went wrong while a plan was written: the first stage that a route names wrongly, or that what was counted isn't
/// what came when it was written.
struct lay_out_fault {
  int stage = -1;
  bool changed = false;
};

/// Writes the plan into storage that has the room.
template <class S, class Plan>
constexpr lay_out_fault lay_out(const S& s, const sizes& z, const extent& e, Plan& p) {
  p.passes = passes_of(s, z);
  p.ranks = z.ranks;
  p.stages = stages_of(s, z);
  p.micro_batches = z.micro_batches;
  p.slices = z.slices;
  p.name = s.name;
  p.lowered = e.messages;
  p.routes = routes_of(s, z);
  p.groups = groups_of(s, z);
  std::int64_t at = 0;
  for (int r = 0; r < z.ranks; ++r) {
    p.rows[r] = at;
    s.order(z, r, [&](const action& a) {
      if (at < e.actions) p.actions[at] = a;
      ++at;
    });
  }
  p.rows[z.ranks] = at;
  int wrong = -1;
  const bool changed = at != e.actions;
  const std::int64_t block = route_view::size(p.stages);
  for (int i = 0; i < p.routes; ++i) {
    const std::int64_t base = i * block;
    for (std::int64_t k = 0; k < block; ++k) p.ints[base + k] = -1;
    int last = -1;
    put_route(s, z, i, [&](const hop& h) {
      if (h.stage < 0 || h.stage >= p.stages || h.rank < 0 || h.rank >= z.ranks || p.ints[base + h.stage] >= 0) {
        wrong = h.stage < 0 || h.stage >= p.stages ? 0 : h.stage;
        p.ints[base + wrong] = z.ranks;  // no such rank: check sees it too
        return;
      }
      p.ints[base + h.stage] = h.rank;
      p.ints[base + p.stages + h.stage] = last;
      if (last >= 0)
        p.ints[base + 2 * p.stages + last] = h.stage;
      else
        p.ints[base + 3 * p.stages] = h.stage;
      last = h.stage;
    });
    p.ints[base + 3 * p.stages + 1] = last;
  }
  at = p.routes * block;
  if constexpr (requires { s.route_of(z, 0); })
    for (int m = 0; m < z.micro_batches; ++m) {
      const int index = s.route_of(z, m);
      const bool outside = index < 0 || index >= p.routes;
      if (outside) wrong = 0;
      if (p.routes > 1) p.ints[at++] = outside ? 0 : index;
    }
  if constexpr (requires { s.groups(z); }) {
    const std::int64_t begins = at;
    at += p.groups > 0 ? p.groups + 1 : 0;
    int members = 0;
    for (int g = 0; g < p.groups; ++g) {
      p.ints[begins + g] = members;
      s.group(z, g, [&](int rank) {
        if (at < e.ints) p.ints[at] = rank;
        ++at;
        ++members;
      });
    }
    if (p.groups > 0) p.ints[begins + p.groups] = members;
    return {wrong, changed || at != e.ints};
  }
  return {wrong, changed};
}

}  // namespace detail

/// Why `schedule` has no plan for these sizes; false if it has one.
template <class Schedule>
constexpr refusal refuses(const Schedule& schedule, const sizes& z) {
  if constexpr (detail::is_schedule<Schedule>())  // else the sentence comes first, and nothing behind it
    return detail::refusal_of(schedule, z);
  else
    return {};
}

/// The plan of a schedule for these sizes. Throws stretto::error where the schedule has none, naming sizes that would do.
template <class Schedule>
constexpr plan make_plan(const Schedule& schedule, const sizes& z) {
  plan p;
  if constexpr (detail::is_schedule<Schedule>()) {
    if (const refusal r = refuses(schedule, z)) throw error(sentence(std::string_view(schedule.name), r).str());
    if (!detail::counts_fit(schedule, z))
      throw error(text("stretto: ", schedule.name, " says that it has ", detail::stages_of(schedule, z), " stages, ", detail::routes_of(schedule, z),
                       " routes and ", detail::groups_of(schedule, z), " groups; mend its counts").str());
    const detail::extent e = detail::measure(schedule, z);
    p.actions = heap_array<action>(e.actions);
    p.rows = heap_array<std::int64_t>(z.ranks + 1);
    p.ints = heap_array<std::int32_t>(e.ints);
    const detail::lay_out_fault f = detail::lay_out(schedule, z, e, p);
    if (f.stage >= 0)
      throw error(text("stretto: ", schedule.name, " makes a route that passes stage ", f.stage,
                       " twice or leaves the plan's stages and ranks; mend its routes").str());
    if (f.changed)
      throw error(text("stretto: ", schedule.name, " puts other numbers of actions or members when it is asked again; let it depend on its sizes and rank alone").str());
  }
  return p;
}

/// The plan of a schedule that knows its own sizes: a table, a file.
template <class Schedule>
  requires requires(const Schedule& s) { s.own_sizes(); }
constexpr plan make_plan(const Schedule& schedule) {
  return make_plan(schedule, schedule.own_sizes());
}

template <int N>
struct ranks {
  static constexpr void set(sizes& z) { z.ranks = N; }
};
template <int N>
struct micro_batches {
  static constexpr void set(sizes& z) { z.micro_batches = N; }
};
template <int N>
struct chunks {
  static constexpr void set(sizes& z) { z.chunks = N; }
};
template <int N>
struct slices {
  static constexpr void set(sizes& z) { z.slices = N; }
};

namespace detail {
template <class T>
T bare(const T&);  // nvcc hands such template arguments to its host compiler as references to const
}  // namespace detail

/// A schedule with its options set, as a type: static_plan<configured<gpipe{drain_order::descending}>, …>.
template <auto Schedule>
struct configured : decltype(detail::bare(Schedule)) {
  constexpr configured() : decltype(detail::bare(Schedule))(Schedule) {}
};

namespace detail {

template <class... Sizes>
constexpr sizes sizes_of() {
  sizes z;
  (Sizes::set(z), ...);
  return z;
}

template <class S, class... Sizes>
struct statically {
  static constexpr sizes z = sizes_of<Sizes...>();
  static constexpr refusal no = refuses(S{}, z);

  static constexpr auto make() {
    static_assert(counts_fit(S{}, z), "stretto: a schedule says that it has no stages or no routes; mend its counts");
    constexpr extent e = measure(S{}, z);
    basic_plan<fixed_array<action, e.actions>, fixed_array<std::int64_t, e.ranks + 1>, fixed_array<std::int32_t, e.ints>> p{};
    lay_out(S{}, z, e, p);
    return p;
  }
};

template <class S, class... Sizes>
inline constexpr auto unchecked_plan = statically<S, Sizes...>::make();

template <class S, class... Sizes>
struct static_verdict {
  struct place {
    fault kind;
    int rank, step;
  };
  static constexpr place look() {
    const verdict v = check(unchecked_plan<S, Sizes...>);
    return {v.kind, v.rank, v.step};
  }
  static constexpr place found = look();
};

inline constexpr sizes no_sizes{};

template <class S, class... Sizes>
constexpr const auto& checked_plan() {
  if constexpr (!is_schedule<S>()) {
    return no_sizes;
  } else if constexpr (statically<S, Sizes...>::no) {
    constexpr refusal no = statically<S, Sizes...>::no;
    static_assert(size_fault<no.which, no.given, no.below, no.above>::ok);
    return no_sizes;
  } else {
    using v = static_verdict<S, Sizes...>;
    static_assert(plan_fault<v::found.kind, v::found.rank, v::found.step>::ok);
    return unchecked_plan<S, Sizes...>;
  }
}

}  // namespace detail

/// The plan as a constant: generated and checked while it compiles. A plan with a fault doesn't compile, see fault.hpp.
template <class Schedule, class... Sizes>
inline constexpr const auto& static_plan = detail::checked_plan<Schedule, Sizes...>();

}  // namespace stretto::inline v0
