#!/bin/sh
# Regenerates events.pb.swift from events.proto. Needs protoc (Debian: protobuf-compiler);
# builds protoc-gen-swift from the package's own checkout of swift-protobuf, so that generator
# and runtime are the same version. Run from anywhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
swift package --package-path "$root" resolve
scratch=$root/.build/protoc-gen-swift
swift build -c release --product protoc-gen-swift \
  --package-path "$root/.build/checkouts/swift-protobuf" --scratch-path "$scratch"
protoc --plugin=protoc-gen-swift="$scratch/release/protoc-gen-swift" \
  --swift_opt=Visibility=Internal --swift_opt=FileNaming=DropPath --swift_opt=UseAccessLevelOnImports=true \
  --swift_out="$here" -I "$here" events.proto
# The generator does not know strict memory safety. The storage class is copied before each write.
sed -i 's|= _StorageClass.defaultInstance$|= unsafe _StorageClass.defaultInstance|' "$here/events.pb.swift"
