{
  "variables": {
    "core_files": [
      "core/files.cc",
      "core/library.cc",
      "core/netns.cc",
      "core/tracking.cc",
      "core/netlink/exchange.cc",
      "core/netlink/socket.cc",
      "core/conntrack/bulk.cc",
      "core/conntrack/columns.cc",
      "core/conntrack/dump.cc",
      "core/conntrack/filter.cc",
      "core/conntrack/flow_request.cc",
      "core/conntrack/flow_tuples.cc",
      "core/conntrack/flush.cc",
      "core/conntrack/kernel_filter.cc",
      "core/conntrack/lookup.cc",
      "core/conntrack/nfct_library.cc",
      "core/conntrack/parse.cc",
      "core/conntrack/stats.cc",
      "core/conntrack/table_dump.cc",
      "core/conntrack/tuple_request.cc",
      "core/conntrack/write.cc"
    ],
    "napi_files": [
      "napi/addon.cc",
      "napi/environment.cc",
      "napi/values.cc",
      "napi/conntrack_handle.cc",
      "napi/conntrack_read.cc",
      "napi/conntrack_write.cc",
      "napi/dump_stream.cc",
      "napi/get_sync.cc",
      "napi/system.cc"
    ]
  }
}
