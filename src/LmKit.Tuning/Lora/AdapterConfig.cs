using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What <c>adapter_config.json</c> says (PEFT's layout).</summary>
/// <param name="Lora">Rank, scale and kind of the adapters, and the trained tokens.</param>
/// <param name="TargetModules">Module names or name ends that have an adapter; empty when a pattern or all linears are meant, or the file does
/// not say.</param>
/// <param name="TargetPattern">A regular expression for whole module names, or null.</param>
/// <param name="BaseModel">The base model's name as the file states it; never opened.</param>
/// <param name="TaskType">The task, such as CAUSAL_LM.</param>
/// <remarks>A key that changes what an adapter computes is obeyed or refused. A key that this library does not know is let pass only when it
/// is switched off (null, false, or empty), and listed in <see cref="UnknownKeys"/>; with any other value the file is refused.
/// How the factors started (<c>init_lora_weights</c>) does not matter once they are read, as long as it left the base alone.</remarks>
public sealed record AdapterConfig(
    LoraOptions Lora,
    IReadOnlyList<string> TargetModules,
    string? TargetPattern = null,
    string? BaseModel = null,
    string? TaskType = "CAUSAL_LM")
{
    private const long MaxBytes = 1 << 20;

    /// <summary>Module names or name ends without an adapter although they are targets.</summary>
    public IReadOnlyList<string> ExcludedModules { get; init; } = [];

    /// <summary>A regular expression for whole names of modules without an adapter, or null.</summary>
    public string? ExcludedPattern { get; init; }

    /// <summary>The only layers that have adapters; empty for all. Targets that <see cref="TargetModules"/> gives by their whole name are in
    /// any layer.</summary>
    public IReadOnlyList<int> Layers { get; init; } = [];

    /// <summary>What the segment before a layer's number may be, each a regular expression; empty for anything.</summary>
    public IReadOnlyList<string> LayersPattern { get; init; } = [];

    /// <summary>Whether the published base keeps its weights as (I, O). The factors are the same either way, so nothing here depends on it.</summary>
    public bool IsTransposed { get; init; }

    /// <summary>Which revision of the base model, as the file states it.</summary>
    public string? Revision { get; init; }

    /// <summary>The embedding whose rows were trained, as the file names it; null for the model's input embedding.</summary>
    public string? TrainedTokensModule { get; init; }

    /// <summary>Keys of the file that this library does not know; all of them are switched off.</summary>
    public IReadOnlyList<string> UnknownKeys { get; init; } = [];

    /// <summary>Reads the file's text.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="AdapterException">It is not such a file, or asks for what these adapters do not have.</exception>
    public static AdapterConfig Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        try
        {
            return ReadIfThere(path);
        }
        catch (FileNotFoundException error)
        {
            throw new AdapterException(path, "the file is missing.", error);
        }
    }

    /// <summary>The file's text: sorted keys, two blanks of indentation.</summary>
    public string ToJson() => AdapterConfigJson.Write(this);

    /// <summary>Whether a module of this name has an adapter, by PEFT's rules.</summary>
    /// <param name="module">The whole name, such as <c>layers.0.self_attn.q_proj</c>.</param>
    /// <remarks>A name in a list fits the whole module name or whole segments at its end; a pattern must fit the whole name.
    /// When all linears are meant, the head (<c>lm_head</c>) is not among them.</remarks>
    /// <exception cref="ArgumentException">A pattern is none that can be used.</exception>
    public bool Targets(string module)
    {
        ArgumentNullException.ThrowIfNull(module);
        if (ExcludedPattern is not null ? LoraPattern.IsWholeMatch(ExcludedPattern, module) : LoraPattern.IsNamed(ExcludedModules, module))
            return false;
        if (TargetPattern is not null)
            return LoraPattern.IsWholeMatch(TargetPattern, module) && IsInLayers(module);
        if (TargetModules.Count == 0)
            return !LoraPattern.IsNamed([LinearSite.Head], module) && IsInLayers(module);
        return TargetModules.Contains(module) || (LoraPattern.IsNamed(TargetModules, module) && IsInLayers(module));
    }

    /// <summary>The same as <see cref="Read"/>, but a missing file is an error of the file system, which a reader of whole folders tries again.</summary>
    internal static AdapterConfig ReadIfThere(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException("The file is missing.", path);
        if (new FileInfo(path).Length > MaxBytes)
            throw new AdapterException(path, $"the file is larger than {MaxBytes} bytes; that is no adapter configuration.");
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path), null, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            return AdapterConfigJson.Read(path, json as JsonObject ?? throw new AdapterException(path, "the file is not the JSON it should be: it is no object."));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or ArgumentException or OverflowException)
        {
            throw new AdapterException(path, $"the file is not the JSON it should be: {error.Message}", error);
        }
    }

    private bool IsInLayers(string module) => Layers.Count == 0 || (LoraPattern.LayerOf(LayersPattern, module) is { } layer && Layers.Contains(layer));
}
