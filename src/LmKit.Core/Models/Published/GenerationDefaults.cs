namespace LmKit;

/// <summary>What a published folder says of the end of a text, whatever its family: of <c>generation_config.json</c>, and where that does not say it, of
/// <c>config.json</c>.</summary>
/// <param name="StopTokens">The ids of <c>eos_token_id</c>.</param>
/// <param name="MaxNewTokens">The value of <c>max_new_tokens</c>; null where it is not said.</param>
internal sealed record GenerationDefaults(IReadOnlyList<long> StopTokens, int? MaxNewTokens)
{
    /// <summary>Reads the files of a folder that are there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="vocabSize">Ids of the model, where it is known; stop tokens must be among them.</param>
    /// <exception cref="ConfigurationException">A file is no JSON, or a value is none of its kind; names file, key and value.</exception>
    internal static GenerationDefaults Read(string folder, long? vocabSize = null)
    {
        IReadOnlyList<long>? stops = null;
        int? most = null;
        foreach (var path in new[] { PublishedLayout.GenerationFile, PublishedLayout.ConfigFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            var root = StrictJson.ReadObject(path, (place, problem, cause) => ConfigurationException.In(path, new ConfigurationException(place, problem, cause)));
            if (Path.GetFileName(path) == PublishedLayout.ConfigFile && !PublishedLayout.IsPublished(root))
                continue;
            try
            {
                var settings = new PublishedConfig(root);
                var found = settings.TryIds("eos_token_id");
                if (found is not null && Array.Find(found, id => id is < 0 or > int.MaxValue) is not 0 and var outside)
                    throw new ConfigurationException(settings.Place("eos_token_id"), FormattableString.Invariant($"holds {outside}, which is no token id; correct it"));
                if (stops is null && found is { Length: > 0 } && found.Max() >= vocabSize)
                    throw new ConfigurationException(settings.Place("eos_token_id"), FormattableString.Invariant($"holds {found.Max()}, which is outside the vocabulary of {vocabSize}; correct it"));
                stops ??= found?.Distinct().ToArray();
                most ??= (int?)settings.TrySize(1, int.MaxValue, "max_new_tokens");
            }
            catch (ConfigurationException error)
            {
                throw ConfigurationException.In(path, error);
            }
        }
        return new GenerationDefaults(stops ?? [], most);
    }
}
