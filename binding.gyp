{
  "includes": ["native/sources.gypi"],
  "targets": [
    {
      "target_name": "conntrack",
      "conditions": [
        ["OS!='linux'", { "type": "none" }],
        ["OS=='linux'", {
          "sources": ["<@(core_files)", "<@(napi_files)"],
          "include_dirs": [
            "native",
            "<!(node -p \"require('node-addon-api').include_dir\")",
            "<!@(pkg-config --cflags-only-I libnetfilter_conntrack libip4tc 2>/dev/null | sed 's/-I//g' || true)"
          ],
          "defines": [
            "NAPI_VERSION=9",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            "NODE_ADDON_API_DISABLE_DEPRECATED",
            "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS",
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
          ],
          "cflags!": ["-fno-rtti", "-fno-exceptions"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions"],
          "cflags_cc": [
            "-std=c++20", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections",
            "-Wall", "-Wextra"
          ],
          "configurations": { "Release": { "cflags_cc": ["-O2"] } },
          "ldflags": [
            "-Wl,-z,nodelete", "-Wl,-Bsymbolic", "-Wl,--gc-sections",
            "-Wl,--version-script=../native/napi/exports.map"
          ],
          "libraries": ["-ldl", "-lpthread"]
        }]
      ]
    }
  ]
}
