// What the addon exports for iptables.
#pragma once

#include <napi.h>

namespace nf::js {

void export_xtables(Napi::Object exports);
void export_nft_changes(Napi::Object exports);

}  // namespace nf::js
