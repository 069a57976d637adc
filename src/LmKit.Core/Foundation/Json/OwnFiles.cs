using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>Keeps a save from replacing files of the same names that somebody else put there.</summary>
internal static class OwnFiles
{
    /// <summary>Looks at a folder that is about to be saved into.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="configFile">The configuration that the save writes.</param>
    /// <param name="weightsFile">The weights that it writes.</param>
    /// <param name="isOwn">Whether a configuration is of the kind that the save writes.</param>
    /// <param name="what">What the save writes, such as "a model".</param>
    /// <exception cref="IOException">One of the two is there and is not of that kind.</exception>
    internal static void Check(string folder, string configFile, string weightsFile, Func<JsonObject, bool> isOwn, string what)
    {
        var config = Path.Combine(folder, configFile);
        var weights = Path.Combine(folder, weightsFile);
        if (IsThere(config))
        {
            if (!IsOwn(config, isOwn))
                throw new IOException($"{config} is there and is not the {configFile} of {what}, so saving would destroy something else; nothing was changed. Choose another folder, or move the file away.");
        }
        else if (IsThere(weights))
        {
            throw new IOException($"{weights} is there without the {configFile} that would say it is of {what}, so saving could destroy something else; nothing was changed. Choose another folder, or move the file away.");
        }
    }

    private static bool IsThere(string path) => File.Exists(path) || Directory.Exists(path);

    private static bool IsOwn(string path, Func<JsonObject, bool> isOwn)
    {
        try
        {
            return isOwn(StrictJson.ReadObject(path, (place, problem, cause) => new InvalidDataException($"{place}: {problem}", cause)));
        }
        catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
