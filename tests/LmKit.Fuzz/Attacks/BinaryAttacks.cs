using System.Buffers.Binary;
using System.Text;

namespace LmKit.Fuzz;

/// <summary>Safetensors, Parquet and token files whose numbers promise what is not there.</summary>
internal static class BinaryAttacks
{
    internal static IEnumerable<HostileCase> All() => Headers().Concat(Models()).Concat(Parquet()).Concat(Tokens());

    private static IEnumerable<HostileCase> Headers()
    {
        HostileCase Case(string name, byte[] bytes, Expectation expected = Expectation.Refused) => HostileCase.Of($"made-safetensors-{name}", "safetensors", "one", expected, "a.safetensors", bytes);

        yield return Case("empty", []);
        yield return Case("short", [1, 2, 3]);
        foreach (var length in new[] { 0, 1, -1, 99, 100_000_000, 100_000_001, long.MaxValue, long.MinValue, 1L << 32 })
            yield return Case($"length-{length}", Joined(length, "{}", 0));
        yield return Case("nothing", Joined(2, "{}", 0), Expectation.Value);
        yield return Case("padding", File("{}        ", 0), Expectation.Value);
        yield return Case("null-metadata", File("""{"__metadata__": null, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""", 4), Expectation.Value);
        yield return Case("metadata-number", File("""{"__metadata__": {"a": 1}}""", 0));
        yield return Case("metadata-array", File("""{"__metadata__": []}""", 0));
        yield return Case("metadata-surrogate", File("""{"__metadata__": {"a": "\ud800"}}""", 0), Expectation.Either);
        yield return Case("name-surrogate", File("""{"\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""", 4), Expectation.Either);
        yield return Case("name-twice", File("""{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""", 4));
        yield return Case("deep", File("{\"a\":" + new string('[', 200_000) + new string(']', 200_000) + "}", 0));
        yield return Case("deep-open", File(new string('[', 900_000), 0));
        yield return Case("not-utf8", [.. Joined(9, "", 0), .. "{\""u8, 0xC3, 0x28, .. "\": 1}"u8]);
        foreach (var (name, shape, offsets, bytes) in new[]
        {
            ("overflow", "[4294967296, 4294967296]", "[0, 0]", 0), ("overflow-4", "[4611686018427387904]", "[0, 0]", 0), ("negative", "[-1]", "[0, 4]", 4), ("negative-pair", "[-2, -2]", "[0, 16]", 16), ("fraction", "[1.5]", "[0, 4]", 4),
            ("huge-number", "[1e999]", "[0, 4]", 4), ("wide-number", "[18446744073709551617]", "[0, 4]", 4), ("text", "[\"1\"]", "[0, 4]", 4), ("null", "null", "[0, 4]", 4), ("behind", "[1]", "[4, 8]", 8), ("backwards", "[1]", "[4, 0]", 4),
            ("far", "[1]", "[9223372036854775803, 9223372036854775807]", 4), ("one-offset", "[1]", "[0]", 4), ("three-offsets", "[1]", "[0, 4, 4]", 4), ("negative-offset", "[1]", "[-4, 0]", 4), ("gap", "[1]", "[0, 4]", 8), ("large", "[268435456]", "[0, 1073741824]", 4),
        })
        {
            yield return Case($"shape-{name}", File($"{{\"a\": {{\"dtype\": \"F32\", \"shape\": {shape}, \"data_offsets\": {offsets}}}}}", bytes));
        }
        yield return Case("shape-zero-and-huge", File("""{"a": {"dtype": "F32", "shape": [0, 4611686018427387904], "data_offsets": [0, 0]}}""", 0), Expectation.Either);
        yield return Case("shape-many-axes", File($"{{\"a\": {{\"dtype\": \"F32\", \"shape\": [{string.Join(", ", Enumerable.Repeat(1, 5000))}], \"data_offsets\": [0, 4]}}}}", 4), Expectation.Either);
        yield return Case("overlap", File("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}""", 12));
        yield return Case("same-place", File($"{{{string.Join(", ", Enumerable.Range(0, 1000).Select(index => $"\"x{index}\": {{\"dtype\": \"F32\", \"shape\": [1024], \"data_offsets\": [0, 4096]}}"))}}}", 4096));
        yield return Case("unknown-type", File("""{"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}""", 4), Expectation.Either);
        yield return Case("no-type", File("""{"a": {"shape": [1], "data_offsets": [0, 4]}}""", 4));
        yield return Case("extra-member", File("""{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}}""", 4), Expectation.Either);
        yield return Case("bad-bool", [.. File("""{"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}""", 0), 7]);
        yield return Case("many-tensors", File($"{{{string.Join(", ", Enumerable.Range(0, 20_000).Select(index => $"\"x{index}\": {{\"dtype\": \"F32\", \"shape\": [0], \"data_offsets\": [0, 0]}}"))}}}", 0), Expectation.Value);
        yield return Case("long-name", File($"{{\"{new string('a', 900_000)}\": {{\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}}}", 4), Expectation.Value);
    }

    // Files that are whole and say what no model, state or dictionary can be.
    private static IEnumerable<HostileCase> Models()
    {
        foreach (var (target, seed, file) in new[] { ("model-weights", "attention", "model.safetensors"), ("adapter", "plain", "adapter_model.safetensors"), ("mixer-state", "mixers", "s.safetensors"), ("dictionary-folder", "top_k", "dictionary.safetensors"), ("autoencoder-checkpoint", "run", "step-00000002/dictionary.safetensors"), ("trainer-checkpoint", "run", "step-00000002/model.optimizer.safetensors"), ("trainer-checkpoint", "run", "step-00000002/progress.safetensors"), ("finetune-checkpoint", "run", "step-00000002/progress.safetensors"), ("denoising-checkpoint", "run", "step-00000002/model.average.safetensors"), ("sae-sae_lens_standard", "published", "sae_weights.safetensors"), ("h3-checkpoint", "published", "h3.safetensors") })
        {
            HostileCase Case(string name, byte[] bytes) => HostileCase.Of($"made-weights-{target}-{Path.GetFileNameWithoutExtension(file)}-{name}", target, seed, Expectation.Refused, file, bytes);
            var whole = HostileCase.Valid(target, seed).Files[file];
            yield return Case("empty", []);
            yield return Case("no-tensors", File("{}", 0));
            yield return Case("cut", whole[..^1]);
            yield return Case("other", File("""{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""", 4));
            yield return Case("all-ones", Filled(whole, 0xFF));
        }
    }

    private static IEnumerable<HostileCase> Parquet()
    {
        foreach (var seed in CorpusStore.Seeds(TargetList.Find("parquet")))
        {
            var whole = seed.Files["a.parquet"];
            var start = whole.Length - 8 - BinaryPrimitives.ReadInt32LittleEndian(whole.AsSpan(whole.Length - 8));
            foreach (var at in Enumerable.Range(start, whole.Length - 8 - start).Where(at => (at - start) % 23 == 0))
            {
                yield return HostileCase.Of($"made-parquet-{seed.Seed}-{at}-varint", "parquet", seed.Seed, Expectation.Either, "a.parquet", Footer(ByteMutations.Replaced(whole, at, at + 1, [0xFE, 0xFF, 0xFF, 0xFF, 0x0F])));
                yield return HostileCase.Of($"made-parquet-{seed.Seed}-{at}-list", "parquet", seed.Seed, Expectation.Either, "a.parquet", Footer(ByteMutations.Replaced(whole, at, at + 1, [0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07])));
            }
            foreach (var length in new[] { 0, -1, int.MaxValue, whole.Length })
            {
                var copy = whole.ToArray();
                BinaryPrimitives.WriteInt32LittleEndian(copy.AsSpan(copy.Length - 8), length);
                yield return HostileCase.Of($"made-parquet-{seed.Seed}-footer-{length}", "parquet", seed.Seed, Expectation.Refused, "a.parquet", copy);
            }

            byte[] Footer(byte[] changed)
            {
                BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(changed.Length - 8), changed.Length - 8 - start);
                return changed;
            }
        }
    }

    private static IEnumerable<HostileCase> Tokens()
    {
        var whole = HostileCase.Valid("token-file", "narrow").Files["a.tokens"];
        foreach (var (place, value) in new (int, long)[] { (8, 0), (8, 4), (8, -1), (12, 0), (12, -1), (12, 1), (16, 0), (16, -1), (16, long.MaxValue), (16, 1L << 62), (24, -2), (24, int.MaxValue) })
        {
            var copy = whole.ToArray();
            if (place == 16)
                BinaryPrimitives.WriteInt64LittleEndian(copy.AsSpan(place), value);
            else
                BinaryPrimitives.WriteInt32LittleEndian(copy.AsSpan(place), (int)value);
            yield return HostileCase.Of($"made-tokens-{place}-{value}", "token-file", "narrow", Expectation.Refused, "a.tokens", copy);
        }
        yield return HostileCase.Of("made-tokens-cut", "token-file", "narrow", Expectation.Refused, "a.tokens", whole[..^1]);
        yield return HostileCase.Of("made-tokens-empty", "token-file", "narrow", Expectation.Refused, "a.tokens", Array.Empty<byte>());
    }

    // Every float is then no number, every whole number -1, every truth value neither.
    private static byte[] Filled(byte[] whole, byte value)
    {
        var copy = whole.ToArray();
        copy.AsSpan(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole)).Fill(value);
        return copy;
    }

    private static byte[] File(string header, int bytes) => Joined(Encoding.UTF8.GetByteCount(header), header, bytes);

    private static byte[] Joined(long length, string header, int bytes)
    {
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, length);
        return [.. prefix, .. Encoding.UTF8.GetBytes(header), .. new byte[bytes]];
    }
}
