using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Training checkpoints on disk: <c>step-00000100/</c> with model, optimizer, average and progress, written beside and renamed.</summary>
internal static class TrainerCheckpoint
{
    private const string HeaderFile = "trainer.json";

    internal static string Save(string root, long step, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> parts, long averageUpdates) =>
        Folders(root).Save(step, target =>
        {
            foreach (var (name, tensors) in parts)
                SafetensorsWriter.Save(Path.Combine(target, name + ".safetensors"), tensors);
            AtomicFile.WriteText(
                Path.Combine(target, HeaderFile),
                JsonSerializer.Serialize(new Header(1, step, averageUpdates, [.. parts.Keys]), OptionsJson.Settings));
        });

    /// <summary>The newest complete checkpoint, or null.</summary>
    internal static string? Latest(string root) => Folders(root).Latest();

    internal static (Header Header, Dictionary<string, Dictionary<string, Tensor>> Parts) Load(string folder)
    {
        var header = JsonSerializer.Deserialize<Header>(File.ReadAllText(Path.Combine(folder, HeaderFile)), OptionsJson.Settings)!;
        var parts = new Dictionary<string, Dictionary<string, Tensor>>();
        foreach (var name in header.Parts)
        {
            using var reader = new SafetensorsReader(Path.Combine(folder, name + ".safetensors"));
            parts[name] = reader.ReadAll();
        }
        return (header, parts);
    }

    private static StepFolders Folders(string root) => new(root, HeaderFile);

    internal sealed record Header(int Format, long Step, long AverageUpdates, string[] Parts);
}
