using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A distillation's checkpoints on disk: <c>step-00000100/</c> with one safetensors file a part and a header.</summary>
internal static class DistillationCheckpoint
{
    private const string HeaderFile = "distillation.json";

    internal static string Save(string root, DistillationHeader header, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> parts) =>
        new StepFolders(root, HeaderFile).Save(header.Step, target =>
        {
            foreach (var (name, tensors) in parts)
                SafetensorsWriter.Save(Path.Combine(target, name + ".safetensors"), tensors);
            AtomicFile.WriteText(Path.Combine(target, HeaderFile), JsonSerializer.Serialize(header));
        });

    /// <summary>The newest complete checkpoint's folder, or null.</summary>
    internal static string? Latest(string root) => new StepFolders(root, HeaderFile).Latest();

    /// <summary>The header, once it is known to belong to a run like <paramref name="mine"/>.</summary>
    /// <exception cref="CheckpointMismatchException">It is another's.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static DistillationHeader ReadHeader(string folder, DistillationHeader mine)
    {
        var path = Path.Combine(folder, HeaderFile);
        DistillationHeader? header;
        try
        {
            header = JsonSerializer.Deserialize<DistillationHeader>(File.ReadAllText(path));
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path} is no header of a distillation: {error.Message} Remove the folder to go on from the one before it.", error);
        }
        if (header is { Format: not DistillationHeader.PresentFormat })
            throw new CheckpointMismatchException(folder, [], [], [], [], [new TensorMismatch("format", $"{DistillationHeader.PresentFormat}", $"{header.Format}")]);
        if (header is not { Method: not null, Options: not null, Ledger: not null, Parts: not null })
            throw new InvalidDataException($"{path} lacks a member. Remove the folder to go on from the one before it.");
        if (Array.Find(header.Parts, IsNoName) is { } outside)
            throw new InvalidDataException($"{path} names the part '{outside}', which is no plain file name.");
        header.Check(folder, mine);
        return header;
    }

    /// <summary>The parts; the tensors belong to the caller's scope.</summary>
    internal static Dictionary<string, Dictionary<string, Tensor>> ReadParts(string folder, DistillationHeader header)
    {
        var parts = new Dictionary<string, Dictionary<string, Tensor>>();
        foreach (var name in header.Parts)
        {
            using var reader = new SafetensorsReader(Path.Combine(folder, name + ".safetensors"));
            parts[name] = reader.ReadAll();
        }
        return parts;
    }

    private static bool IsNoName(string? part) => string.IsNullOrEmpty(part) || part.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter != '_');
}
