using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A distillation's checkpoint on disk: one safetensors file a part and a header, replaced as a whole or not at all.</summary>
internal static class DistillationCheckpoint
{
    private const string HeaderFile = "distillation.json";
    private const int Format = 1;

    internal static bool Exists(string folder) => File.Exists(Path.Combine(folder, HeaderFile));

    internal static void Save(string folder, string method, long step, long averageUpdates, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> parts) =>
        AtomicFolder.Write(folder, target =>
        {
            foreach (var (name, tensors) in parts)
                SafetensorsWriter.Save(Path.Combine(target, name + ".safetensors"), tensors);
            AtomicFile.WriteText(Path.Combine(target, HeaderFile), JsonSerializer.Serialize(new Header(Format, method, step, averageUpdates, [.. parts.Keys])));
        });

    /// <summary>What was saved, or null; the tensors belong to the caller's scope.</summary>
    internal static (long Step, long AverageUpdates, Dictionary<string, Dictionary<string, Tensor>> Parts)? Load(string folder, string method)
    {
        AtomicFolder.Recover(folder);
        if (!Exists(folder))
            return null;
        var header = JsonSerializer.Deserialize<Header>(File.ReadAllText(Path.Combine(folder, HeaderFile)))!;
        if (header.Method != method)
            throw new CheckpointMismatchException(folder, [method], [header.Method], [], []);
        var parts = new Dictionary<string, Dictionary<string, Tensor>>();
        foreach (var name in header.Parts)
        {
            using var reader = new SafetensorsReader(Path.Combine(folder, name + ".safetensors"));
            parts[name] = reader.ReadAll();
        }
        return (header.Step, header.AverageUpdates, parts);
    }

    private sealed record Header(int Format, string Method, long Step, long AverageUpdates, string[] Parts);
}
