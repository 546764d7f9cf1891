{
  "variables": {
    "core_files": [
      "core/library.cc",
      "core/netns.cc",
      "core/netlink/socket.cc",
      "core/conntrack/columns.cc",
      "core/conntrack/parse.cc",
      "core/conntrack/filter.cc",
      "core/conntrack/kernel_filter.cc",
      "core/conntrack/request.cc",
      "core/conntrack/change.cc",
      "core/conntrack/dump.cc"
    ],
    "napi_files": [
      "napi/addon.cc",
      "napi/environment.cc"
    ]
  }
}
