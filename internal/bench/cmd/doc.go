// Command cmd measures baraza and writes docs/benchmarks.md; `make bench` runs
// it. It is a tool for those who work on baraza, no part of the product.
//
//	go run ./internal/bench/cmd -quick -only lag,catchup
package main
