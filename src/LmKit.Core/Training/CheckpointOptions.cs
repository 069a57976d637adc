namespace LmKit;

/// <summary>What every trainer asks of its checkpoint options.</summary>
internal static class CheckpointOptions
{
    /// <summary>Refuses a folder without a name, and an interval without a folder.</summary>
    /// <param name="path">Where the options stand, for errors.</param>
    /// <param name="options">The options.</param>
    /// <param name="folder">Their checkpoint folder.</param>
    /// <param name="interval">Their checkpoint interval.</param>
    /// <exception cref="ConfigurationException">The options would have no effect.</exception>
    public static void Check(string path, object options, string? folder, long interval)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (folder is not null && string.IsNullOrWhiteSpace(folder))
            throw new ConfigurationException($"{path}.checkpoint_folder", $"{options.GetType().Name}.CheckpointFolder = '{folder}': a folder's name is needed, or null for no checkpoints.");
        if (interval > 0 && folder is null)
            throw new ConfigurationException($"{path}.checkpoint_interval", $"{options.GetType().Name}.CheckpointInterval = {interval}: no checkpoint would be kept, since CheckpointFolder is not set; set it, or set the interval to 0.");
    }
}
