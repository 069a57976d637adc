using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Readers of tensor files.</summary>
internal static class CheckpointTargets
{
    internal static IEnumerable<FuzzTarget> All =>
    [
        new("safetensors", WriteSafetensors, (folder, _) =>
        {
            using var reader = new SafetensorsReader(Path.Combine(folder, "a.safetensors"));
            var digest = new Digest().Add(reader.ReadAll());
            foreach (var (key, value) in reader.Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                digest.Add(key, value);
            return digest.ToString();
        }),
        new("pickle-pt", root =>
        {
            foreach (var (seed, path) in new[] { ("dictionary_learning", "dictionary_learning/ae.pt"), ("openai", "openai/7.pt"), ("topafa", "topafa/sae.pt") })
                Golden.Copy($"interp/ckpt/{path}", Path.Combine(root, seed, "a.pt"));
        }, (folder, _) =>
        {
            var (tensors, values) = PickleReader.Read(Path.Combine(folder, "a.pt"));
            var digest = new Digest().Add(tensors);
            foreach (var (key, value) in values.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                digest.Add(key, value);
            return digest.ToString();
        }),
    ];

    private static void WriteSafetensors(string root)
    {
        using var scope = NewDisposeScope();
        var numbers = arange(24, ScalarType.Float32).reshape(2, 3, 4);
        ScalarType[] types = [ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool];
        var all = types.ToDictionary(type => $"a.{type}", type => (type == ScalarType.Bool ? numbers.remainder(2) : numbers).to(type));
        all["scalar"] = tensor(1.5f);
        all["empty"] = zeros(0, 3);
        Save("types", all, new() { ["format"] = "pt", ["note"] = "caf\u00e9" });
        Save("one", new() { ["weight"] = numbers }, null);

        void Save(string seed, Dictionary<string, Tensor> tensors, Dictionary<string, string>? metadata)
        {
            _ = Directory.CreateDirectory(Path.Combine(root, seed));
            SafetensorsWriter.Save(Path.Combine(root, seed, "a.safetensors"), tensors, metadata);
        }
    }
}
