/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints segpool:*; the full stream of what happens to regions. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM segpool

#if !defined(SEGPOOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SEGPOOL_TRACE_H

#include <linux/tracepoint.h>
#include <linux/segpool.h>

/* For programs that read the format: they do not know the names. */
TRACE_DEFINE_ENUM(SEGPOOL_REASON_VIRTUAL);
TRACE_DEFINE_ENUM(SEGPOOL_REASON_PHYSICAL);
TRACE_DEFINE_ENUM(SEGPOOL_REASON_CEILING);
TRACE_DEFINE_ENUM(SEGPOOL_REASON_SYSTEM);

#define segpool_reason_names \
	{ SEGPOOL_REASON_VIRTUAL, "virtual" }, \
	{ SEGPOOL_REASON_PHYSICAL, "physical" }, \
	{ SEGPOOL_REASON_CEILING, "ceiling" }, \
	{ SEGPOOL_REASON_SYSTEM, "system" }

DECLARE_EVENT_CLASS(segpool_hand_out,
	TP_PROTO(u32 pool, u32 region, u32 class, u64 virtual_bytes),
	TP_ARGS(pool, region, class, virtual_bytes),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u32, region)
		__field(u32, class)
		__field(u64, virtual_bytes)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->region = region;
		__entry->class = class;
		__entry->virtual_bytes = virtual_bytes;
	),
	TP_printk("pool=%u region=%u class=%u virtual_bytes=%llu",
		  __entry->pool, __entry->region, __entry->class, __entry->virtual_bytes)
);

/* A new region was carved: virtual bytes have grown. */
DEFINE_EVENT(segpool_hand_out, segpool_region_new,
	TP_PROTO(u32 pool, u32 region, u32 class, u64 virtual_bytes),
	TP_ARGS(pool, region, class, virtual_bytes)
);

/* A released region is handed out again: virtual bytes have not. */
DEFINE_EVENT(segpool_hand_out, segpool_region_reuse,
	TP_PROTO(u32 pool, u32 region, u32 class, u64 virtual_bytes),
	TP_ARGS(pool, region, class, virtual_bytes)
);

TRACE_EVENT(segpool_region_release,
	TP_PROTO(u32 pool, u32 region, u32 class, u32 pages),
	TP_ARGS(pool, region, class, pages),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u32, region)
		__field(u32, class)
		__field(u32, pages)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->region = region;
		__entry->class = class;
		__entry->pages = pages;
	),
	TP_printk("pool=%u region=%u class=%u pages=%u",
		  __entry->pool, __entry->region, __entry->class, __entry->pages)
);

TRACE_EVENT(segpool_region_cross_class,
	TP_PROTO(u32 pool, u32 region, u32 from, u32 to),
	TP_ARGS(pool, region, from, to),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u32, region)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->region = region;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("pool=%u region=%u from_class=%u to_class=%u",
		  __entry->pool, __entry->region, __entry->from, __entry->to)
);

/* Pressure begins: watermark reached, a request waits, or the system reclaims. */
TRACE_EVENT(segpool_pressure,
	TP_PROTO(u32 pool, u64 physical, u64 retained, u64 budget),
	TP_ARGS(pool, physical, retained, budget),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u64, physical)
		__field(u64, retained)
		__field(u64, budget)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->physical = physical;
		__entry->retained = retained;
		__entry->budget = budget;
	),
	TP_printk("pool=%u physical_pages=%llu retained_pages=%llu budget_pages=%llu",
		  __entry->pool, __entry->physical, __entry->retained, __entry->budget)
);

TRACE_EVENT(segpool_refusal,
	TP_PROTO(u32 pool, u32 class, u32 reason),
	TP_ARGS(pool, class, reason),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u32, class)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->class = class;
		__entry->reason = reason;
	),
	TP_printk("pool=%u class=%u reason=%s", __entry->pool, __entry->class,
		  __print_symbolic(__entry->reason, segpool_reason_names))
);

/* The system, or the ceiling, took retained pages. */
TRACE_EVENT(segpool_shrink,
	TP_PROTO(u32 pool, u32 pages),
	TP_ARGS(pool, pages),
	TP_STRUCT__entry(
		__field(u32, pool)
		__field(u32, pages)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->pages = pages;
	),
	TP_printk("pool=%u pages=%u", __entry->pool, __entry->pages)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
