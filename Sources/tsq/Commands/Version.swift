/// Of this program; the versions of the on-disk formats are counted on their own.
let tsqVersion = "0.1.0"
