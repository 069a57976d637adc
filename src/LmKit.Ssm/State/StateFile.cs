using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Carried state in a safetensors file, to go on with in another process.</summary>
/// <remarks>Works for every mixer's state and for a whole model's, attention caches included. The model must be the same one.</remarks>
public static class StateFile
{
    private const string PositionKey = "position";

    /// <summary>Saves a state, replacing the file in one step.</summary>
    public static void Save(string path, MixerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        SafetensorsWriter.Save(path, state.Tensors, new Dictionary<string, string> { [PositionKey] = state.Position.ToString(CultureInfo.InvariantCulture) });
    }

    /// <summary>Brings a saved state back into a new one of as many rows, as <c>NewState</c> makes it.</summary>
    /// <exception cref="ArgumentException">The file holds no state, or one of other sizes, or numbers that no state has; a state of one
    /// mixer is then as it was, a model's refuses to go on.</exception>
    /// <exception cref="SafetensorsException">The file breaks its format or ends too early.</exception>
    public static void Restore(string path, MixerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        InputFile.Check(path, (problem, cause) => new SafetensorsException(path, null, problem, cause));
        using var reader = new SafetensorsReader(path);
        if (!reader.Metadata.TryGetValue(PositionKey, out var text) || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var position))
            throw new ArgumentException($"{path} has no number of tokens as '{PositionKey}' among its texts, so it is no saved state; {nameof(StateFile)}.{nameof(Save)} writes one.", nameof(path));
        using var scope = NewDisposeScope();
        try
        {
            state.Restore(reader.ReadAll(), position);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or ArithmeticException or ExternalException or IndexOutOfRangeException or KeyNotFoundException)
        {
            throw new ArgumentException($"{path} does not fit the state: {error.Message}", nameof(path), error);
        }
    }
}
