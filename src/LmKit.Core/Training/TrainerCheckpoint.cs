using System.Globalization;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Training checkpoints on disk: <c>step-00000100/</c> with model, optimizer, average and progress, written beside and renamed.</summary>
internal static class TrainerCheckpoint
{
    private const string Prefix = "step-";
    private const int Kept = 2;

    internal static string Save(string root, long step, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> parts, long averageUpdates)
    {
        Directory.CreateDirectory(root);
        AtomicFolder.CleanAll(root);
        var folder = Path.Combine(root, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));
        AtomicFolder.Write(folder, target =>
        {
            foreach (var (name, tensors) in parts)
                SafetensorsWriter.Save(Path.Combine(target, name + ".safetensors"), tensors);
            AtomicFile.WriteText(
                Path.Combine(target, "trainer.json"),
                JsonSerializer.Serialize(new Header(1, step, averageUpdates, [.. parts.Keys]), OptionsJson.Settings));
        });
        foreach (var old in All(root).SkipLast(Kept))
            AtomicFolder.Remove(old);
        return folder;
    }

    /// <summary>The newest complete checkpoint, or null.</summary>
    internal static string? Latest(string root)
    {
        AtomicFolder.RecoverAll(root);
        return All(root).LastOrDefault();
    }

    internal static (Header Header, Dictionary<string, Dictionary<string, Tensor>> Parts) Load(string folder)
    {
        var header = JsonSerializer.Deserialize<Header>(File.ReadAllText(Path.Combine(folder, "trainer.json")), OptionsJson.Settings)!;
        var parts = new Dictionary<string, Dictionary<string, Tensor>>();
        foreach (var name in header.Parts)
        {
            using var reader = new SafetensorsReader(Path.Combine(folder, name + ".safetensors"));
            parts[name] = reader.ReadAll();
        }
        return (header, parts);
    }

    private static IEnumerable<string> All(string root) => Directory.Exists(root)
        ? Directory.EnumerateDirectories(root, Prefix + "*")
            .Where(folder => Path.GetFileName(folder).AsSpan(Prefix.Length).IndexOfAnyExceptInRange('0', '9') < 0 && File.Exists(Path.Combine(folder, "trainer.json")))
            .Order(StringComparer.Ordinal)
        : [];

    internal sealed record Header(int Format, long Step, long AverageUpdates, string[] Parts);
}
